"""`./dev demo`: two trained models become executables and answer on real input.

digits (trained by examples/digits/train.py) reads images of handwritten digits;
magika (the model inside the PyPI package of that name) says what kind of file
a file is. The answers are compared with the ONNX reference evaluator's, and
magika's, which that evaluator cannot run, with ONNX Runtime's.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import onnxruntime
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(os.path.relpath(pathlib.Path(__file__).parent))
RTOL, ATOL = 1e-4, 1e-5  # RELIABILITY's f32 goldens; the second times the reference's rms


class Demo:
    def __init__(self, smelt, out):
        self.smelt, self.out = smelt, pathlib.Path(out)
        self.out.mkdir(parents=True, exist_ok=True)

    def call(self, *command, show=True):
        """Runs a command, shown as one would type it; its failure is the demo's."""
        command = [str(part) for part in command]
        if show:
            print("$", " ".join(command).replace(self.smelt, "smelt", 1), flush=True)
        begin = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=None if show else subprocess.PIPE, text=True)
        if done.returncode:
            print(done.stdout, end="")
            print(done.stderr or "", end="", file=sys.stderr)
            print(f"demo: {' '.join(command)} ended with status {done.returncode}", file=sys.stderr)
            sys.exit(done.returncode if done.returncode > 0 else 70)
        return done.stdout, time.perf_counter() - begin

    def compile(self, model, name):
        exe = self.out / name
        seconds = self.call(self.smelt, "compile", model, "-o", exe)[1]
        print(f"  {seconds:.2f} s: an executable of {exe.stat().st_size / 1024:.0f} KB"
              f" from a model of {pathlib.Path(model).stat().st_size / 1024:.0f} KB\n")
        return exe

    def run(self, exe, name, given, output, show):
        result = self.out / f"{exe.name}-{output}.npy"
        self.call(self.smelt, "run", exe, "--input", f"{name}=@{given}", "--output", f"{output}=@{result}", show=show)
        return np.load(result)

    def bench(self, exe, *options):
        print("".join(f"  {line}\n" for line in self.call(exe, "--bench", *options)[0].splitlines()))


def compare(pairs, reference):
    """Prints the largest difference; a real one ends the demo with 82."""
    worst = max(float(np.abs(got - ref).max()) for got, ref in pairs)
    same = sum(int(got.argmax() == ref.argmax()) for got, ref in pairs)
    print(f"  compared with {reference}: the same answer {same} of {len(pairs)} times,"
          f" largest difference {worst:.1e}\n")
    for got, ref in pairs:
        if not np.all(np.abs(got - ref) <= ATOL * np.sqrt(np.mean(ref**2)) + RTOL * np.abs(ref)):
            print("demo: that is more than rounding explains", file=sys.stderr)
            sys.exit(82)


def read_png(path):
    """The pixels of an unfiltered 8-bit grey PNG (what train.py writes)."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert (depth, colour) == (8, 0), f"{path}: depth {depth}, colour {colour}; wanted 8-bit grey"
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any(), f"{path}: has filtered rows"
    return rows[:, 1:]


def digits(demo):
    print("== digits: which digit is on the image ==\n")
    model, images = HERE / "digits" / "digits.onnx", HERE / "digits" / "images"
    exe = demo.compile(model, "digits")
    reference = ReferenceEvaluator(str(model))
    pairs, right = [], 0
    rows = [line.split("\t") for line in (images / "labels.tsv").read_text().splitlines()[1:]]
    for name, label in rows:
        first = not pairs
        grey = read_png(images / name)
        got = demo.run(exe, "image", images / name, "probabilities", show=first)
        pairs.append((got, reference.run(None, {"image": grey[None, None].astype(np.float32) / 255})[0]))
        right += int(got.argmax() == int(label))
        if first:
            print("\n".join("    " + "".join(" .:-=+*#%@"[int(v) * 9 // 255] * 2 for v in row) for row in grey))
            print(f"  answer: {got.argmax()}, with {got.max():.1%} (the label says {label})\n")
    print(f"  all {len(rows)} images, none of them trained on: {right} right")
    compare(pairs, "the ONNX reference evaluator")
    demo.bench(exe)


def features(path, config):
    """Magika's input: the first and last bytes without surrounding white space, padded."""
    data = path.read_bytes()
    size = config["block_size"]
    begin, end = data[:size].lstrip(), data[-size:].rstrip()
    begin, end = list(begin[:config["beg_size"]]), list(end[-config["end_size"]:])
    pad = [config["padding_token"]]
    return np.array([begin + pad * (config["beg_size"] - len(begin))
                     + pad * (config["end_size"] - len(end)) + end], np.int32)


def magika(demo):
    spec = importlib.util.find_spec("magika")
    if spec is None:
        sys.exit("demo: the package magika of requirements.txt is not installed; ./dev setup installs it")
    print("== magika: what kind of file is it ==\n")
    package = os.path.relpath(spec.submodule_search_locations[0])
    folder = next(pathlib.Path(package, "models").glob("standard_*"))
    config = json.loads((folder / "config.min.json").read_text())
    exe = demo.compile(folder / "model.onnx", "magika")
    reference = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    pairs = []
    for path in (HERE / "demo.py", HERE.parent / "dev", HERE.parent / "README.md", HERE.parent / "CMakeLists.txt",
                 HERE / "digits" / "images" / "7.png"):
        given = demo.out / "magika-bytes.npy"
        np.save(given, features(path, config))
        got = demo.run(exe, "bytes", given, "target_label", show=not pairs)
        pairs.append((got, reference.run(None, {"bytes": np.load(given)})[0]))
        print(f"  {os.path.relpath(path, HERE.parent):28} {config['target_labels_space'][got.argmax()]}, with {got.max():.1%}")
    compare(pairs, "ONNX Runtime")
    demo.bench(exe, "--dim", f"{reference.get_inputs()[0].shape[0]}=1")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smelt", required=True, help="the driver")
    parser.add_argument("--out", default="build/demo", help="where the executables go")
    parser.add_argument("--only", choices=["digits", "magika"], help="one of the two models")
    args = parser.parse_args()
    demo = Demo(args.smelt, args.out)
    for model in (digits, magika):
        if args.only in (None, model.__name__):
            model(demo)


if __name__ == "__main__":
    main()
