#!/usr/bin/env python3
"""models.py TEST DIR: the ONNX models that stand in a lit test as text.

Lines with # are the test's; models are parted by lines of `# ---`. Each is
written to DIR/NAME.onnx, NAME being the name of its graph.
"""
import sys
from pathlib import Path

import onnx.parser


def main(test, folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    models = [[]]
    for line in Path(test).read_text().splitlines():
        if line.startswith("# ---"):
            models.append([])
        elif not line.startswith("#"):
            models[-1].append(line)
    for lines in models:
        if not "".join(lines).strip():
            continue
        model = onnx.parser.parse_model("\n".join(lines))
        (Path(folder) / f"{model.graph.name}.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])
