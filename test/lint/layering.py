"""Data goes one way: frontend -> dialects -> passes -> codegen -> runtime.

Checks every `#include "..."`: which stage may see which, that the runtime and
the ONNX reader are free of LLVM, and that nothing includes tools.
"""
import re

import common

READER = "frontend/onnx/reader"
# Stage -> what it may include besides itself. The compiler shares the artifact
# contract and the packings with the runtime, so all of it may see the runtime.
MAY_SEE = {
    "runtime": (),
    READER: ("runtime",),
    "dialects": ("runtime",),
    "frontend": ("dialects", READER, "runtime"),
    "passes": ("dialects", "runtime"),
    "codegen": ("dialects", "passes", "runtime"),
    "tools": ("dialects", "passes", "codegen", "frontend", READER, "runtime"),
}
NO_LLVM = ("runtime", READER)
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def stage_of(path):
    if path.startswith(READER + "/"):
        return READER
    stage = path.split("/")[0]
    return stage if stage in MAY_SEE else None


def layering(tree):
    findings = []
    for path in tree.having(*common.CODE):
        stage = stage_of(path)
        if stage is None:
            continue  # tests, benchmarks and examples may see everything
        for number, line in enumerate(tree.lines(path), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            name = match.group(2)
            at = f"{path}:{number}: "
            if stage in NO_LLVM and name.startswith(("llvm/", "mlir/", "llvm-c/", "mlir-c/")):
                findings.append(f"{at}{stage} includes {name}; it must build without LLVM")
            if stage == "runtime" and name in ("iostream", "fstream", "sstream"):
                findings.append(f"{at}the runtime includes <{name}>; it has no iostream")
            target = stage_of(name)
            if target is None and name.split("/")[0] == "test":
                findings.append(f"{at}{stage} includes {name}; only tests include test/")
            if target and target != stage and target not in MAY_SEE[stage]:
                allowed = ", ".join(MAY_SEE[stage]) or "nothing else"
                findings.append(f"{at}{stage} includes {name} ({target}); it may see {allowed}")
    return findings


if __name__ == "__main__":
    common.main(layering)
