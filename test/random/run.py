"""Random graphs, compiled, against the ONNX reference evaluator, bit for bit.

Graphs of small integers (graphs.py) at two levels each. A difference prints
the seed; `--seed N --keep DIR` writes that model and its data for a closer look.
"""
import argparse
import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support"), str(HERE.parent / "models")]

import numpy as np
from onnx.reference import ReferenceEvaluator

import graphs
import values
import workers


def write(seed, folder):
    """The model and its data; None where the reference evaluator cannot compute it."""
    model, feed = graphs.make(seed)
    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(model).run(None, feed)
    return values.write_case(model, [feed[i.name] for i in model.graph.input], results, folder)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--levels", type=lambda text: [int(v) for v in text.split(",")], default=[0, 2])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep", metavar="DIR", help="write the first graph's model and data there, and stop")
    return parser.parse_args()


def main():
    options = parse()
    if options.keep:
        print(write(options.seed, pathlib.Path(options.keep)))
        return 0
    failed = skipped = 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        plan, folders = [], {}
        for seed in range(options.seed, options.seed + options.count):
            try:
                folders[seed] = write(seed, scratch / str(seed))
            except Exception as error:  # the evaluator's own limits
                skipped += 1
                print(f"seed {seed}: skipped: {type(error).__name__}: {str(error)[:120]}")
                shutil.rmtree(scratch / str(seed), ignore_errors=True)
                continue
            plan += [(seed, level) for level in options.levels]
        makers = [lambda s=seed, l=level: {
            "model": str(folders[s] / "model.onnx"), "library": str(folders[s] / f"O{l}.so"), "level": l,
            "run": [f"--test-data={folders[s] / 'test_data_set_0'}", "--threads=2", "--poison", "--rtol=0", "--atol=0"]} for seed, level in plan]
        for (seed, level), answer in zip(plan, workers.run_all(options.tool, makers, options.jobs)):
            if answer["code"]:
                failed += 1
                text = next((l for l in answer["text"].splitlines() if "DIFFERS" in l or "error" in l), answer["text"])
                print(f"seed {seed} -O{level}: {answer['stage']} {answer['code']}: {text[:250]}")
    print(f"{len(plan) - failed} passed, {failed} failed, {skipped} skipped")
    # A generator that makes mostly graphs nobody can evaluate tests nothing.
    return 1 if failed or skipped * 10 > options.count else 0


if __name__ == "__main__":
    sys.exit(main())
