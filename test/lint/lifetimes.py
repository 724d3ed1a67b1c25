"""A range-for does not keep a temporary alive that its range only views
(C++20): a call's result is named before a part of it is walked over."""
import re

import common

VIEWED = re.compile(r"\bfor \([^;()]*[^:]: *(?:llvm::)?(?:Mutable)?ArrayRef\([\w.>-]*\w\(")


def lifetimes(tree):
    return [f"{path}:{number}: walks over a view of a temporary; name it first"
            for path in tree.having(".cpp", ".h")
            for number, line in enumerate(tree.lines(path), 1) if VIEWED.search(line)]


if __name__ == "__main__":
    common.main(lifetimes)
