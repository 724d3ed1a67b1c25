"""Writes networks nobody tuned for: well-known architectures at their true
shapes with seeded weights (zoo/), with reference data by ONNX Runtime, in the
corpus' layout. `corpus.py --models FOLDER` then compiles and checks them.
With --then COMMAND... it runs that once they are written.
"""
import argparse
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import onnx

import sizes
import values
from zoo import sequence, vision

ZOO = {"vision": vision.MODELS, "sequence": sequence.MODELS}


def write(folder, make):
    """Writes a model and its data once; the scripts' age decides whether again."""
    stamp = folder / "complete"
    newest = max(p.stat().st_mtime for p in pathlib.Path(__file__).parent.glob("**/*.py"))
    if stamp.exists() and stamp.stat().st_mtime > newest:
        return
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    net = make()
    onnx.save(net.model(), folder / "model.onnx")
    results = sizes.session(folder / "model.onnx").run(None, net.feed)
    for k, (name, value) in enumerate(net.feed.items()):
        values.save(data / f"input_{k}.pb", value, name)
    for k, (output, value) in enumerate(zip(net.outputs, results)):
        values.save(data / f"output_{k}.pb", value, output.name)
    stamp.touch()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("--large", action="store_true", help="also those for the benchmark only")
    parser.add_argument("--then", nargs=argparse.REMAINDER, metavar="COMMAND", help="run it afterwards, with this Python")
    options = parser.parse_args()
    for kind, models in [*ZOO.items(), *([("sequence", sequence.LARGE)] if options.large else [])]:
        for name, make in models.items():
            if options.only in f"{kind}/{name}":
                write(options.folder / kind / name, make)
    if options.then:
        sys.exit(subprocess.run([sys.executable, "-B", *options.then]).returncode)


if __name__ == "__main__":
    main()
