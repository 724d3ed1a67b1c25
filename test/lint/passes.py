"""One pass, four names: def FuseEpiloguePass in Passes.td, FuseEpilogue.cpp
beside it, the flag smelt-fuse-epilogue, and a test fuse-epilogue.mlir."""
import pathlib
import re

import common

DEF = re.compile(r'^def\s+(\w+)\s*:\s*\w*Pass(?:Base)?\s*<\s*"([^"]+)"', re.M)
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def passes(tree):
    findings = []
    tests = {pathlib.PurePosixPath(p).name for p in tree.having(".mlir") if p.startswith("test/")}
    for path in tree.paths:
        if pathlib.PurePosixPath(path).name != "Passes.td":
            continue
        folder = str(pathlib.PurePosixPath(path).parent)
        for name, flag in DEF.findall(tree.text(path)):
            if not name.endswith("Pass"):
                findings.append(f"{path}: def {name}: its name must end in Pass")
                continue
            stem = name[: -len("Pass")]
            kebab = HUMP.sub("-", stem).lower()
            if flag != f"smelt-{kebab}":
                findings.append(f"{path}: {name} has the flag {flag}, wanted smelt-{kebab}")
            if f"{folder}/{stem}.cpp" not in tree.paths:
                findings.append(f"{path}: {name} has no file {folder}/{stem}.cpp")
            if f"{kebab}.mlir" not in tests:
                findings.append(f"{path}: {name} has no test {kebab}.mlir under test/")
    return findings


if __name__ == "__main__":
    common.main(passes)
