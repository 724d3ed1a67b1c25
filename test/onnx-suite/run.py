"""`./dev onnx-suite`: the ONNX backend test suite, compiled and run.

Each case is compiled to a library, run on its inputs and compared at the
suite's own tolerance (rtol 1e-3, 2^-6 for bfloat16; atol 1e-7 there is absolute,
here it scales with the reference). Modes:

static    the model as it is
dynamic   every dim of every input is a symbol (--shapes=all:?)
const     all inputs but the first are constants of the model

The cases are those of $SMELT_CORPUS/onnx-suite/*.tar.xz. expected-failures.txt
lists what is known to fail at any level, with the modes and the reason; a listed
case that passes is a failure. `-O rotate` takes -O0 or -O2 by the commit, so that
CI runs one and sees both. The last line counts.
"""
import argparse
import collections
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parent / "models")]

import onnx

import values
import workers

SKIPPED = 77
LIST = HERE / "expected-failures.txt"
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
ANY_NUMBER = ["--rtol=1e9", "--atol=1e9", "--cosine=0"]
TOLERANCE = ["--rtol=1e-3", "--atol=1e-5", "--cosine=0"]
BFLOAT16 = ["--rtol=0.015625", "--atol=1e-5", "--cosine=0"]


def unpack(corpus, folder):
    for archive in sorted((pathlib.Path(corpus) / "onnx-suite").glob("*.tar.xz")):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return sorted(p.parent for p in pathlib.Path(folder).rglob("model.onnx"))


def frozen(case, folder):
    """The case with all inputs but the first as initializers; None where that is the case itself."""
    model = onnx.load(case / "model.onnx", load_external_data=False)
    initial = {t.name for t in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in initial]
    data = case / "test_data_set_0"
    files = values.numbered(data, "input")
    rest = [(v, f) for v, f in list(zip(inputs, files))[1:] if v.type.WhichOneof("value") == "tensor_type"]
    if not rest:
        return None
    for value, file in rest:
        tensor = onnx.TensorProto.FromString(file.read_bytes())
        tensor.name = value.name
        model.graph.initializer.append(tensor)
        model.graph.input.remove(value)
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    dataset = folder / "test_data_set_0"
    dataset.mkdir()
    kept = [f for v, f in zip(inputs, files) if all(v is not r for r, _ in rest)]
    for index, file in enumerate(kept):
        (dataset / f"input_{index}.pb").symlink_to(file)
    for file in values.numbered(data, "output"):
        (dataset / file.name).symlink_to(file)
    return folder


def data_and_tolerance(case):
    """The runner's flags for a case. Where numbers are drawn any generator's are right: type and shape are
    compared, and nothing of a mask (test/values has the distributions)."""
    data, graph = case / "test_data_set_0", onnx.load(case / "model.onnx", load_external_data=False).graph
    kinds = [o.type.tensor_type.elem_type for o in graph.output]
    if any(node.op_type in RANDOM or node.op_type == "Dropout" and len(node.input) > 2 for node in graph.node):
        initial = {t.name for t in graph.initializer}
        inputs = [v.name for v in graph.input if v.name not in initial]
        return [*(f"--input={name}=@{file}" for name, file in zip(inputs, values.numbered(data, "input"))),
                *(f"--expected={o.name}=@{file}" for o, kind, file in zip(graph.output, kinds, values.numbered(data, "output"))
                  if kind != onnx.TensorProto.BOOL), *ANY_NUMBER]
    return [f"--test-data={data}", *(BFLOAT16 if all(kind == onnx.TensorProto.BFLOAT16 for kind in kinds) else TOLERANCE)]


def levels(text):
    if text != "rotate":
        return [int(level) for level in text.split(",")]
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    return [0 if int(commit or "0", 16) % 2 else 2]


def request(case, mode, level, scratch, number):
    if mode == "const":
        case = frozen(case, scratch / f"const-{number}")
        if case is None:
            return None
    made = {"model": str(case / "model.onnx"), "library": str(scratch / f"{number}.so"), "level": level, "shapes": [],
            "run": ["--threads=1", "--poison", *data_and_tolerance(case)]}
    if mode == "dynamic":
        made["shapes"] = ["all:?"]
    return made


def why(answer):
    """The reason of a failure in one line, '' for a pass."""
    if answer is None or answer["code"] == 0:
        return ""
    lines = [l for l in answer["text"].splitlines() if l.strip()]
    told = next((l for l in lines if "error" in l), lines[0] if lines else "nothing said")
    told = told.split("model.onnx: ")[-1].replace("model: error: ", "").replace("smelt: error: ", "")
    if answer["code"] == 82 and lines:
        told = lines[0]
    return f"{answer['stage']} {answer['code']}: {told}"[:240]


def expected():
    """name -> (modes it fails in, reason)."""
    found = {}
    if LIST.exists():
        for line in LIST.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                name, modes, reason = line.split(" ", 2)
                found[name] = (set(modes.split(",")), reason)
    return found


def write(results, modes):
    known = expected()
    for name in {n for r in results.values() for n in r} | set(known):
        old, reason = known.get(name, (set(), ""))
        now = {m for m in modes if results[m].get(name)}
        reason = next((results[m][name] for m in modes if results[m].get(name)), reason)
        known[name] = ((old - set(modes)) | now, reason)
    head = "# Cases that are known to fail: name, modes, reason. Strict: one that passes is a failure.\n"
    LIST.write_text(head + "".join(f"{n} {','.join(sorted(m))} {r}\n" for n, (m, r) in sorted(known.items()) if m))


def parse():
    parser = argparse.ArgumentParser(prog="./dev onnx-suite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--mode", type=lambda text: text.split(","), default=["static"])
    parser.add_argument("-O", dest="levels", type=levels, default=[2], help="0, 2, 0,2 or rotate")
    parser.add_argument("--device", choices=["cpu"], default="cpu")
    parser.add_argument("--only", default="", help="cases whose name contains it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--write", action="store_true", help="write expected-failures.txt anew from this run")
    parser.add_argument("--verbose", action="store_true", help="the reason of every failure, expected ones too")
    return parser.parse_args()


def main():
    options = parse()
    corpus = os.environ.get("SMELT_CORPUS", "")
    if not corpus:
        print("skipped: SMELT_CORPUS is not set")
        return SKIPPED
    results, known, matrix = {mode: {} for mode in options.mode}, expected(), []
    total = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        cases = [c for c in unpack(corpus, folder) if options.only in f"{c.parent.name}/{c.name}"]
        names = [f"{c.parent.name}/{c.name}" for c in cases]
        for level, mode in itertools.product(options.levels, options.mode):
            start = time.monotonic()
            with tempfile.TemporaryDirectory() as scratch:
                makers = [lambda c=c, k=k: request(c, mode, level, pathlib.Path(scratch), k) for k, c in enumerate(cases)]
                answers = workers.run_all(options.tool, makers, options.jobs)
            reasons = {n: why(a) for n, a in zip(names, answers)}
            count = collections.Counter()
            for name, answer in zip(names, answers):
                reason, listed = reasons[name], mode in known.get(name, ((), ""))[0]
                kind = "skipped" if answer is None else "passed" if not reason else "expected" if listed else "failed"
                if listed and not reason and answer is not None:
                    kind = "failed"
                    print(f"PASSES, take it off the list: {name} {mode}")
                elif kind == "failed" or (options.verbose and reason):
                    print(f"{kind} {name} {mode} -O{level}: {reason}")
                count[kind] += 1
            total += count
            print(f"{mode} -O{level}: {count['passed']} passed, {count['failed']} failed, {count['expected']} expected to fail, "
                  f"{count['skipped']} skipped, in {time.monotonic() - start:.0f} s", flush=True)
            matrix.append({"mode": mode, "level": level, "passed": count["passed"], "of": len(cases) - count["skipped"],
                           "failed": {n: r for n, r in reasons.items() if r}})
            for name, reason in reasons.items():
                results[mode][name] = results[mode].get(name) or reason
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"onnx": onnx.__version__, "runs": matrix}, indent=1) + "\n")
    if options.write:
        write(results, options.mode)
    print(f"{total['passed']} passed, {total['failed']} failed, {total['expected'] + total['skipped']} skipped")
    return 1 if total["failed"] and not options.write else 0


if __name__ == "__main__":
    sys.exit(main())
