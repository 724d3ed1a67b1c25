"""The lints are tests, so they are tested: each must find what a small bad
tree holds, and nothing in a good one."""
import pathlib
import subprocess
import sys
import tempfile

import common
from docs import docs
from headers import headers
from layering import layering
from lengths import lengths
from lifetimes import lifetimes
from passes import passes
from words import words

HEADER = ("//===- {} - x ----===//\n// Part of Smelt\n"
          "// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception\n//\n// Does x.\n//===---===//\n")
PASS = 'def FuseEpiloguePass : Pass<"smelt-fuse-epilogue", "ModuleOp"> {\n}\n'

# lint, files of a tree, how many findings it must have
CASES = [
    (layering, {"runtime/a.h": '#include "runtime/b.h"\n#include <stdint.h>\n'}, 0),
    (layering, {"runtime/a.h": '#include "codegen/b.h"\n'}, 1),
    (layering, {"runtime/a.h": '#include "llvm/ADT/X.h"\n#include <iostream>\n'}, 2),
    (layering, {"dialects/a.h": '#include "passes/b.h"\n'}, 1),
    (layering, {"passes/a.cpp": '  #  include "codegen/b.h"\n'}, 1),
    (layering, {"codegen/a.cpp": '#include "tools/b.h"\n#include "test/c.h"\n'}, 2),
    (layering, {"frontend/onnx/reader/a.cpp": '#include "dialects/b.h"\n#include "mlir/IR/X.h"\n'}, 2),
    (layering, {"frontend/onnx/a.cpp": '#include "frontend/onnx/reader/b.h"\n#include "dialects/c.h"\n'}, 0),
    (passes, {"passes/form/Passes.td": PASS, "passes/form/FuseEpilogue.cpp": "", "test/a/fuse-epilogue.mlir": ""}, 0),
    (passes, {"passes/form/Passes.td": PASS}, 2),
    (passes, {"passes/form/Passes.td": PASS.replace("smelt-f", "f"), "passes/form/FuseEpilogue.cpp": "",
              "test/fuse-epilogue.mlir": ""}, 1),
    (lengths, {"a.cpp": "\n" * 700}, 0),
    (lengths, {"a.cpp": "\n" * 701}, 1),
    (lengths, {"a.cpp": "\n" * 701, "test/lint/long-files.txt": "a.cpp: a table\n"}, 0),
    (lengths, {"a.cpp": "\n", "test/lint/long-files.txt": "a.cpp: a table\n"}, 1),
    (headers, {"a.cpp": HEADER.format("a.cpp"), "b.py": '"""What."""\n', "c.cmake": "# What.\n"}, 0),
    (headers, {"a.cpp": HEADER.format("b.cpp"), "b.py": "import x\n"}, 2),
    (headers, {"a.h": HEADER.format("a.h").replace(" - x", "")}, 1),
    (headers, {"a.h": HEADER.format("a.h").replace("SPDX", "")}, 1),
    (lifetimes, {"a.cpp": "for (int x : xs)\nfor (int x : ArrayRef(xs).drop_front())\n"}, 0),
    (lifetimes, {"a.cpp": "for (int x : ArrayRef(dims(v)).drop_front())\nfor (T x : llvm::ArrayRef(n.dims(v)))\n"}, 2),
    (words, {"a.md": "the framework/home page\n"}, 0),
    (words, {"a.md": "see /ho" + "me/me\nand ../sha" + "red/x\nTO" + "DO\n"}, 3),
    (docs, {"a.md": "[x](b.md) [y](https://z) ./dev test `--smelt-x`", "b.md": "",
            "dev": "case $verb in\n  test) x ;;\n", "Passes.td": 'def XPass : Pass<"smelt-x"> {\n}\n'}, 0),
    (docs, {"a.md": "[x](b.md) ./dev tset `--smelt-x`", "dev": "case $verb in\n  test) x ;;\n"}, 3),
]

failures = 0
for index, (lint, files, wanted) in enumerate(CASES):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        for path, text in files.items():
            target = pathlib.Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        found = lint(common.Tree(folder))
    if len(found) != wanted:
        failures += 1
        print(f"case {index} ({lint.__name__}): {len(found)} findings, wanted {wanted}: {found}")
print(f"selftest: {len(CASES)} cases, {failures} failures")
sys.exit(1 if failures else 0)
