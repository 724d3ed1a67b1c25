"""`./dev corpus`: compiles and checks every model of $SMELT_CORPUS/models.

Each model is compiled at each level within a time and memory bound. Its
executable then runs on the reference inputs: the outputs are compared here (by
values.py) and by the executable itself (--test-data), must be bitwise the same
for every thread count, and models with dynamic dimensions run at other sizes
against ONNX Runtime (sizes.py). Where the reference data lacks outputs, the
ONNX reference evaluator makes them; where another runtime's result is further
than the tolerance, an f64 evaluation judges both (values.nearer).

expected-failures.txt lists what is known to fail; a model that passes
although it is listed is a failure. One line per model, then the counts.
"""
import argparse
import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import numpy as np
import onnx
from onnx import helper

import sizes
import values
from bounded import bounded
from reference import Reference

SKIPPED = 77


class Failure(Exception):
    """What is wrong with a model, in one line."""


class Refused(Failure):
    """The executable refuses sizes by name. ONNX Runtime stretches a dimension that is 1 by chance where the
    model's symbols are tied, which is outside the contract of a compiled model (sizes are a contract), and
    gives a window that is larger than its input one result where the standard's formula gives none."""


class Model:
    """A model with its reference data."""

    def __init__(self, folder, cache):
        self.path = folder / "model.onnx"
        data = self.path.read_bytes()
        self.proto = onnx.ModelProto.FromString(data)
        graph = self.proto.graph
        initial = {t.name for t in graph.initializer}
        self.inputs = [v for v in graph.input if v.name not in initial]
        self.outputs = list(graph.output)
        self.precision = values.precision(self.proto)
        self.quantized = values.is_quantized(self.proto)
        self.reference = Reference(self.proto, data, cache)
        self.test_data = folder / "test_data_set_0"
        files = values.numbered(self.test_data, "input")
        if files:
            self.feed = {v.name: values.load(f, v.type) for v, f in zip(self.inputs, files)}
        else:
            self.feed = self.random_feed()
        files = values.numbered(self.test_data, "output")
        self.complete = len(files) == len(self.outputs)
        if self.complete:
            self.wanted, self.origin = [values.load(f, o.type) for f, o in zip(files, self.outputs)], "reference data"
        else:
            self.wanted, self.origin = self.reference.evaluate(self.feed), "reference evaluator"

    def random_feed(self):
        rng = np.random.default_rng(0)
        feed = {}
        for value in self.inputs:
            kind = value.type.tensor_type
            shape = [d.dim_value or 1 for d in kind.shape.dim]
            dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
            small = rng.integers(0, 8, shape) if np.dtype(dtype).kind in "iub" else rng.standard_normal(shape)
            feed[value.name] = np.asarray(small).astype(dtype)
        return feed

    def judge(self, got, wanted, feed):
        """Compares all outputs; returns whether f64 had to decide, or raises Failure."""
        truth = None
        for k, (output, g, w) in enumerate(zip(self.outputs, got, wanted)):
            why = values.compare(g, w, self.precision, self.quantized)
            if not why:
                continue
            if not (isinstance(w, np.ndarray) and values.is_float(w) and np.shape(g) == np.shape(w)):
                raise Failure(f"output {output.name}: {why}")
            try:
                truth = truth or self.reference.evaluate(feed, double=True)
            except Exception as error:  # the evaluator lacks an op
                raise Failure(f"output {output.name}: {why}; no f64 evaluation: {str(error).splitlines()[0][:100]}")
            if not values.nearer(g, w, truth[k]):
                raise Failure(f"output {output.name}: {why}; further from f64 than twice the reference")
        return truth is not None


class Checker:
    def __init__(self, options):
        self.options = options
        self.work = pathlib.Path(options.work).resolve()  # XDG_CACHE_HOME counts only if absolute

    def run(self, exe, model, feed, threads, folder):
        """Runs the executable on a feed; returns its output files."""
        folder.mkdir()
        command = [exe, f"--threads={threads}"]
        for k, (name, value) in enumerate(feed.items()):
            values.save(folder / f"input_{k}.pb", value, name)
            command += ["--input", f"{name}=@{folder / f'input_{k}.pb'}"]
        files = [folder / f"output_{k}.pb" for k in range(len(model.outputs))]
        for output, file in zip(model.outputs, files):
            command += ["--output", f"{output.name}=@{file}"]
        done = bounded(command, self.options.run_seconds, 16000)
        if done.why():
            kind = Refused if done.status == 65 and any(
                t in done.err for t in ("must be equal at run time", "does not fit the padded input")) else Failure
            raise kind(f"run with {threads} threads: {done.why()}")
        return files

    def level(self, model, level, record, tmp):
        exe = tmp / f"exe-{level}"
        done = bounded([self.options.smelt, "compile", model.path, f"-{level}", "-o", exe],
                       self.options.compile_seconds, 16000, env={**os.environ, "XDG_CACHE_HOME": str(tmp / "cache")})
        record[level] = entry = {"compile_s": round(done.seconds, 2), "peak_mb": round(done.peak_mb), "notes": []}
        if done.why():
            entry["said"] = done.err[-4000:]
            raise Failure(f"compile: {done.why()}")
        if done.peak_mb > self.options.compile_mb:
            raise Failure(f"compile: {done.peak_mb:.0f} MB, wanted at most {self.options.compile_mb}")
        entry["exe_kb"] = exe.stat().st_size // 1024

        load = lambda files: [values.load(f, o.type) for f, o in zip(files, model.outputs)]
        first = None
        for threads in self.options.threads:
            files = self.run(exe, model, model.feed, threads, tmp / f"{level}-{threads}")
            if first is None:
                by_f64 = model.judge(load(files), model.wanted, model.feed)
                first = files
            for output, a, b in zip(model.outputs, first, files):
                if a.read_bytes() != b.read_bytes():
                    raise Failure(f"output {output.name}: differs between {self.options.threads[0]} and {threads} threads")
        if by_f64:
            entry["notes"].append("nearer to f64 than twice the reference data")
        if model.complete:
            done = bounded([exe, f"--test-data={model.test_data}", f"--threads={self.options.threads[0]}"],
                           self.options.run_seconds, 16000)
            # The executable knows the tolerance of each output's type, and nothing else of the model.
            judged = by_f64 or model.quantized or model.precision != "f32"
            if done.status not in ((0, 82) if judged else (0,)):
                raise Failure(f"--test-data: {done.why()}")
        tried, refused = [], []
        for k, (label, feed, wanted) in enumerate(sizes.variants(model.path, model.inputs, model.feed)):
            if feed is None:
                entry["notes"].append(f"{label}: {wanted}")
                continue
            try:
                model.judge(load(self.run(exe, model, feed, self.options.threads[0], tmp / f"{level}-size-{k}")), wanted, feed)
            except Refused as why:
                refused.append(f"at {label}: {why}")
                continue
            except Failure as failure:
                raise Failure(f"at {label}: {failure}") from None
            tried.append(label)
        if refused and not tried:
            raise Failure(f"refuses every other size; {refused[0]}")
        entry["notes"] += [f"refused {r}" for r in refused]
        entry["sizes"] = tried

    def __call__(self, folder):
        name = str(folder.relative_to(pathlib.Path(self.options.models)))
        record = {"model": name, "failures": []}
        try:
            model = Model(folder, self.work / "reference")
        except Exception as error:
            record["failures"].append(f"no reference: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
            return record
        record["origin"] = model.origin
        for level in self.options.levels:
            with tempfile.TemporaryDirectory(dir=self.work) as tmp:
                try:
                    self.level(model, level, record, pathlib.Path(tmp))
                except Failure as failure:
                    record["failures"].append(f"-{level}: {failure}")
                except Exception as error:
                    record["failures"].append(f"-{level}: {type(error).__name__}: {str(error)[:300]}")
        return record


def describe(record, levels):
    parts = [f"-{l} {record[l]['compile_s']:.2f} s {record[l]['peak_mb']} MB" for l in levels if l in record]
    tried = next((record[l]["sizes"] for l in reversed(levels) if record.get(l, {}).get("sizes")), [])
    notes = next((record[l]["notes"] for l in reversed(levels) if l in record), [])
    return "; ".join(parts + ([record["origin"]] if "origin" in record else []) + ([f"sizes {', '.join(tried)}"] if tried else [])
                     + [n for n in notes if not n.endswith("refuses it") and "ONNX Runtime refuses" not in n])


def expected_failures(path):
    expected = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition(":")
            expected[name.strip()] = reason.strip()
    return expected


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commas = lambda text: text.split(",")
    parser.add_argument("--smelt", required=True, help="the driver")
    parser.add_argument("--models", default=os.path.join(os.environ.get("SMELT_CORPUS", ""), "models"))
    parser.add_argument("--json", metavar="FILE", help="write every measurement")
    parser.add_argument("--only", metavar="PATTERN", help="models whose name contains it")
    parser.add_argument("--levels", type=commas, default=["O0", "O2"])
    parser.add_argument("--threads", type=commas, default=["1", "2"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--compile-seconds", type=float, default=60, help="limit of one compile (default 60)")
    parser.add_argument("--compile-mb", type=float, default=1024, help="limit of its peak memory (default 1024)")
    parser.add_argument("--run-seconds", type=float, default=60)
    parser.add_argument("--work", default="build/corpus", help="scratch and cached references")
    parser.add_argument("--expected-failures", default=HERE / "expected-failures.txt")
    return parser.parse_args()


def main():
    options = parse()
    if not pathlib.Path(options.models).is_dir():
        print("skipped: SMELT_CORPUS names no folder with models/")
        return SKIPPED
    pathlib.Path(options.work).mkdir(parents=True, exist_ok=True)
    options.smelt = shutil.which(options.smelt) or options.smelt
    names = sorted(p.parent for p in pathlib.Path(options.models).rglob("model.onnx"))
    chosen = [p for p in names if not options.only or options.only in str(p.relative_to(options.models))]
    expected = expected_failures(options.expected_failures)
    passed = failed = skipped = 0
    records = []
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        for record in pool.map(Checker(options), chosen):
            name, why = record["model"], record["failures"]
            known = name in expected
            record["result"] = ("expected failure" if known else "failed") if why else ("unexpected pass" if known else "passed")
            records.append(record)
            passed += record["result"] == "passed"
            skipped += record["result"] == "expected failure"
            failed += record["result"] in ("failed", "unexpected pass")
            print(f"{record['result']:16} {name:36} {' | '.join(why) or describe(record, options.levels)}", flush=True)
    unknown = sorted(set(expected) - {str(p.relative_to(options.models)) for p in names})
    for name in unknown:
        failed += 1
        print(f"{'failed':16} {name:36} expected-failures.txt lists it, and there is no such model")
    for level in options.levels:
        compiled = [r for r in records if "compile_s" in r.get(level, {})]
        for what, unit in (("compile_s", "s"), ("peak_mb", "MB")) if compiled else ():
            most = max(compiled, key=lambda r: r[level][what])
            print(f"-{level}: {what} with a cold cache at most {most[level][what]} {unit} ({most['model']})")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(records, indent=1))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not records else 0


if __name__ == "__main__":
    sys.exit(main())
