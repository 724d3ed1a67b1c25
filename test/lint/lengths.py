"""No source file over 700 lines, unless long-files.txt lists it with a reason.
A listed file that is short again (or gone) is a finding too."""
import common

LIMIT = 700
LIST = "test/lint/long-files.txt"


def lengths(tree):
    findings = []
    listed = {}
    if LIST in tree.paths:
        for line in tree.lines(LIST):
            if line.strip() and not line.startswith("#"):
                path, _, reason = line.partition(":")
                listed[path.strip()] = reason.strip()
    for path in tree.having(*common.CODE, ".py", ".mlir", "CMakeLists.txt", ".cmake", ".md"):
        length = len(tree.lines(path))
        if length > LIMIT and not listed.pop(path, None):
            findings.append(f"{path}: {length} lines, wanted at most {LIMIT} (split it, or list it in {LIST})")
    findings += [f"{LIST}: lists {path}, which is not over {LIMIT} lines" for path in listed]
    return findings


if __name__ == "__main__":
    common.main(lengths)
