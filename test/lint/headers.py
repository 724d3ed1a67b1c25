"""Each file opens by saying what it is: code with a header block that names
the file, says what it is and carries the SPDX line; scripts with a comment or
docstring."""
import pathlib
import re

import common

SPDX = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
SCRIPTS = (".py", ".cmake", ".sh")


def code(path, lines):
    name = pathlib.PurePosixPath(path).name
    if not lines or not re.match(rf"(//|/\*)===- {re.escape(name)} - \S", lines[0]):
        yield f"{path}:1: found {lines[0] if lines else 'an empty file'!r}, wanted a header '//===- {name} - what it is'"
    elif not any(SPDX in line for line in lines[1:12]):
        yield f"{path}: the header has no line '{SPDX}'"


def headers(tree):
    findings = []
    for path in tree.paths:
        lines = tree.lines(path) if path.endswith(common.CODE + SCRIPTS) else []
        if path.endswith(common.CODE):
            findings += code(path, lines)
        elif path.endswith(SCRIPTS) and lines:
            first = next((l for l in lines if l.strip() and not l.startswith("#!")), "")
            if not first.startswith(("#", '"""', 'r"""')):
                findings.append(f"{path}: found {first!r}, wanted a first line that says what it does")
    return findings


if __name__ == "__main__":
    common.main(headers)
