"""`./dev bench SUBJECT`: benchmarks against a peer in one interleaved run.

corpus   every float model of $SMELT_CORPUS/models against ONNX Runtime
zoo      the generated networks at true shapes (test/models/zoo) against ONNX Runtime

Method. A model is compared with its reference first; without that no time is
printed. A round is a probe (a register-only FMA loop on as many threads), one
side, the other side, in turn first; it is rejected when its probe is more than
15 % off the best. Each side is the median over the valid rounds. Inputs are
bound on both sides. `x` is ONNX Runtime's time over ours: above 1 we are faster.
The identity model's line is the cost of a call.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "test/models"), str(HERE.parent / "test/support")]

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

import artifact
import corpus

PROBE_MS = 1.0
LEAST_MS = 2.0  # a measurement repeats a run until it takes about this long
PAUSE_S = {1: 0.002}  # by threads, else the next
LONG_PAUSE_S = 0.05  # ONNX Runtime's workers spin on for milliseconds after a run, on the other side's CPU


class Ours:
    def __init__(self, runtime, library, feed, threads):
        self.artifact = artifact.Artifact(runtime, library, threads)
        self.artifact.bind(feed)
        self.run = self.artifact.run
        self.run()

    def close(self):
        self.artifact.close()


class Peer:
    """ONNX Runtime, everything enabled, inputs and outputs bound."""

    def __init__(self, source, feed, threads, optimized=None):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4
        if optimized:
            options.optimized_model_filepath = str(optimized)
        self.session = session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        if all(port.type.startswith("tensor") and port.type != "tensor(string)" for port in [*session.get_outputs(), *session.get_inputs()]):
            binding = session.io_binding()
            for name, value in feed.items():
                value = np.asarray(value, order="C")
                kind = helper.np_dtype_to_tensor_dtype(value.dtype)
                binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(value, kind))
            for output in session.get_outputs():
                binding.bind_output(output.name)
            self.run = lambda: session.run_with_iobinding(binding)
        else:  # maps and strings cannot be bound
            self.run = lambda: session.run(None, feed)
        self.run()

    def close(self):
        del self.run, self.session


def measure(run, count):
    start = time.perf_counter_ns()
    for _ in range(count):
        run()
    return (time.perf_counter_ns() - start) / count / 1000


def repeats(run):
    run()
    return max(1, math.ceil(LEAST_MS * 1000 / max(1.0, min(measure(run, 1) for _ in range(3)))))


def compare(runtime, ours, peer, threads, rounds):
    """Medians in us of both sides over the valid rounds, the number of those, and the probe in GFLOP/s."""
    steps = 20000
    probe = lambda: runtime.lib.smelt_probe_fma(threads, steps)
    steps = max(1, int(PROBE_MS / 1000 * 1e9 * probe() / (runtime.lib.smelt_probe_fma_flops() * threads)))
    counts = [repeats(ours.run), repeats(peer.run)]
    kept = []
    for tries in range(4 * rounds):
        found = [probe(), 0.0, 0.0]
        for side in (0, 1) if tries % 2 else (1, 0):
            time.sleep(PAUSE_S.get(threads, LONG_PAUSE_S))
            run = (ours, peer)[side].run
            run()
            found[1 + side] = measure(run, counts[side])
        found[0] = (found[0] + probe()) / 2
        kept.append(found)
        best = max(f[0] for f in kept)
        valid = [f for f in kept if f[0] >= 0.85 * best]
        if len(valid) >= rounds:
            break
    return {"ours_us": statistics.median(f[1] for f in valid), "peer_us": statistics.median(f[2] for f in valid),
            "rounds": len(valid), "tries": len(kept), "probe_gflops": round(statistics.median(f[0] for f in valid), 1)}


def compile_library(options, model, library):
    done = subprocess.run([options.smelt, "compile", str(model), "-o", str(library), *options.flag], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"compile: exit {done.returncode}: {done.stderr.strip()[-300:]}")


def manifest(options, library):
    return json.loads(subprocess.run([options.smelt, "inspect", str(library)], capture_output=True, text=True, check=True).stdout)


def nodes(graph):
    """Nodes of a graph and of those inside it."""
    return sum(len(g.node) for g in corpus.values.graphs(graph))


def bench_model(options, runtime, folder, tmp):
    model = corpus.Model(folder, pathlib.Path(options.work) / "reference")
    # ONNX Runtime wants an opset import, which the first versions of the format lack.
    source = str(model.path) if model.proto.ir_version >= 3 else model.reference.model.SerializeToString()
    library = tmp / f"{len(list(tmp.iterdir()))}.so"  # a loader knows a name once
    compile_library(options, model.path, library)
    record = {"kernels": manifest(options, library)["dispatches"]}
    for threads in options.threads:
        pin(threads)
        ours = Ours(runtime, library, model.feed, threads)
        optimized = tmp / "optimized"
        peer = Peer(source, model.feed, threads, optimized)
        record["peer_nodes"] = nodes(onnx.load(optimized).graph)
        if all(o.type.WhichOneof("value") == "tensor_type" for o in model.outputs):
            model.judge(ours.artifact.outputs(), model.wanted, model.feed)
        record[str(threads)] = found = compare(runtime, ours, peer, threads, options.rounds)
        found["x"] = found["peer_us"] / found["ours_us"]
        if options.profile:
            found["profile"] = ours.artifact.profile(9)
        ours.close()
        peer.close()
    return record


def identity(tmp):
    """A model that does nothing: the cost of a call."""
    folder = tmp / "identity"
    folder.mkdir()
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", [value("x")], [value("y")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=10), folder / "model.onnx")
    return folder


def pin(threads):
    """Both sides run on the same CPUs: the last `threads` of those allowed."""
    os.sched_setaffinity(0, sorted(CPUS)[-threads:])


CPUS = os.sched_getaffinity(0)


def chosen(options):
    if options.subject == "zoo":
        made = pathlib.Path(options.work) / "zoo"
        subprocess.run([sys.executable, str(HERE.parent / "test/models/generate.py"), str(made), "--large", "--only", options.only or ""], check=True)
        return made, sorted(p.parent for p in made.rglob("model.onnx"))
    root = pathlib.Path(os.environ.get("SMELT_CORPUS", "")) / "models"
    if not os.environ.get("SMELT_CORPUS") or not root.is_dir():
        raise SystemExit("bench corpus: SMELT_CORPUS names no folder with models/")
    return root, sorted(p.parent for p in root.rglob("model.onnx"))


def geomean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else float("nan")


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=["corpus", "zoo"])
    parser.add_argument("--smelt", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE", help="write every figure")
    parser.add_argument("--only", metavar="PATTERN", help="models whose name contains it")
    parser.add_argument("--threads", type=lambda text: [int(t) for t in text.split(",")], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15, help="valid rounds wanted (default 15, of at most four times as many)")
    parser.add_argument("--profile", action="store_true", help="our slowest kernels too")
    parser.add_argument("--flag", action="append", default=[], help="a flag for smelt compile")
    parser.add_argument("--work", default="build/bench")
    return parser.parse_args()


def main():
    options = parse()
    pathlib.Path(options.work).mkdir(parents=True, exist_ok=True)
    runtime = artifact.Runtime(pathlib.Path(options.smelt).parent.parent / "lib/libsmelt_bench.so")
    root, folders = chosen(options)
    folders = [f for f in folders if not options.only or options.only in str(f.relative_to(root))]
    heads = [f"{side} us {t}T" if side != "x" else f"x {t}T" for t in options.threads for side in ("ours", "ORT", "x")]
    print(f"| model | kernels | ORT nodes | {' | '.join(heads)} |\n|{'---|' * (3 + len(heads))}", flush=True)
    records, problems = {}, {}
    with tempfile.TemporaryDirectory(dir=options.work) as tmp:
        tmp = pathlib.Path(tmp)
        for folder in [identity(tmp), *folders]:
            name = "identity" if folder.parent == tmp else str(folder.relative_to(root))
            if name != "identity" and corpus.values.is_quantized(onnx.load(folder / "model.onnx", load_external_data=False)):
                problems[name] = "not a float model"
                continue
            try:
                record = records[name] = bench_model(options, runtime, folder, tmp)
            except Exception as error:
                problems[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
                continue
            cells = [c for t in options.threads for r in [record[str(t)]] for c in (f"{r['ours_us']:.1f}", f"{r['peer_us']:.1f}", f"{r['x']:.2f}")]
            print(f"| {name} | {record['kernels']} | {record['peer_nodes']} | {' | '.join(cells)} |", flush=True)
            for t in options.threads if options.profile else []:
                top = sorted(record[str(t)]["profile"], key=lambda e: -e[1])[:12]
                print("".join(f"    {t}T {us:9.1f} us  {kernel[:110]}\n" for kernel, us in top), end="")
    timed = {k: r for k, r in records.items() if k != "identity"}
    print()
    for t in options.threads:
        ratios = {k: r[str(t)]["x"] for k, r in timed.items()}
        if ratios:
            worst = min(ratios, key=ratios.get)
            print(f"{t} thread{'s' * (t > 1)}: geomean {geomean(ratios.values()):.3f} x over {len(ratios)} models, least {ratios[worst]:.2f} x ({worst})")
    more = [k for k, r in timed.items() if r["kernels"] > r["peer_nodes"]]
    print(f"more kernels than ONNX Runtime has nodes: {', '.join(more) or 'none'}")
    for name, why in problems.items():
        print(f"not measured: {name}: {why}")
    if options.json:
        about = {"onnxruntime": onnxruntime.__version__, "cpu": cpu_name(), "rounds": options.rounds, "flags": options.flag}
        pathlib.Path(options.json).write_text(json.dumps({"about": about, "models": records, "not_measured": problems}, indent=1) + "\n")
    return 0 if all(why == "not a float model" for why in problems.values()) else 1


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "?"


if __name__ == "__main__":
    sys.exit(main())
