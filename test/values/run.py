"""Values and parameters that only a run has, compiled and run: patterns against
Python's own, random numbers against their distributions, axes beyond what a
model can do with against their messages.
"""
import argparse
import math
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / "models")]

import numpy as np
import onnx
from onnx import TensorProto, helper

import values

FAILED = []


def check(what, holds, detail=""):
    if not holds:
        FAILED.append(what)
        print(f"failed: {what} {detail}")


class Program:
    def __init__(self, smelt, folder, nodes, inputs, outputs, initializers=(), extra=()):
        graph = helper.make_graph(nodes, "test", inputs, outputs, list(initializers))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22), *extra], ir_version=10)
        self.folder = pathlib.Path(folder)
        self.exe, self.outputs, self.smelt = self.folder / "exe", outputs, smelt
        onnx.save(model, self.folder / "m.onnx")

    def compile(self):
        return subprocess.run([self.smelt, "compile", self.folder / "m.onnx", "-o", self.exe, "--no-cache"], capture_output=True, text=True)

    def run(self, threads=1, **feed):
        command = [self.exe, f"--threads={threads}"]
        for name, value in feed.items():
            values.save(self.folder / f"{name}.pb", value, name)
            command += ["--input", f"{name}=@{self.folder / name}.pb"]
        for o in self.outputs:
            command += ["--output", f"{o.name}=@{self.folder / o.name}.out.pb"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return done.returncode, done.stderr
        return 0, [values.load(self.folder / f"{o.name}.out.pb", o.type) for o in self.outputs]


PATTERNS = [
    r"a*b", r"(ab|cd)+e?", r"[a-c]{2,3}x", r"[^a-c]+", r"\d{3}-\d{4}", r"\w+@\w+\.(com|org)", r"(?i)hello\s+world", r".*",
    r"a.c", r"(?s)a.c", r"^start.*end$", r"x(?:y|z){0}w", r"\bword\b", r"(\w|é)+", r"[\x41-\x43]+", r"a+?b", r"[]a]+", r"[a\]-]+",
    r"(a|b)*abb", r"", r"\Aab\Z".replace(r"\Z", "$"), r"a{,2}b",
]
TEXTS = ["", "b", "aaab", "abcdabe", "abx", "abcx", "xyz", "123-4567", "me@site.org", "HeLLo  world", "a\nc", "abc", "start to end",
         "xw", "word", "école", "ABCBA", "aab", "]a]", "a-]", "abababb", "ab", "a{,2}b", "aéb", "日本"]


def patterns(smelt, folder):
    for number, pattern in enumerate(PATTERNS):
        x = helper.make_tensor_value_info("x", TensorProto.STRING, [len(TEXTS)])
        y = helper.make_tensor_value_info("y", TensorProto.BOOL, [len(TEXTS)])
        program = Program(smelt, folder, [helper.make_node("RegexFullMatch", ["x"], ["y"], pattern=pattern)], [x], [y])
        done = program.compile()
        check(f"pattern {pattern!r} compiles", done.returncode == 0, done.stderr)
        if done.returncode:
            continue
        status, got = program.run(x=np.array(TEXTS, dtype=object))
        # RE2's classes are of ASCII, and it takes "{,2}" as characters.
        wanted = [bool(re.fullmatch(pattern, t, re.ASCII)) if pattern != r"a{,2}b" else t == "a{,2}b" for t in TEXTS]
        check(f"pattern {pattern!r}", status == 0 and list(got[0]) == wanted,
              status or [t for t, g, w in zip(TEXTS, got[0], wanted) if g != w])
    for pattern, reason in [("a(b", "'(' without ')'"), ("a)b", "')' without '('"), ("[a", "'[' without ']'"), ("*a", "without something"),
                            (r"\pL", r"\p"), ("a{2,1}", "2 to 1 times"), ("(?<n", "name without"), ("a{1001}", "1001 times"),
                            ("((a{99}){99})", "words of program"), ("[[:nope:]]", "[:nope:]"), ("a\\", "backslash")]:
        x = helper.make_tensor_value_info("x", TensorProto.STRING, [1])
        y = helper.make_tensor_value_info("y", TensorProto.BOOL, [1])
        program = Program(smelt, folder, [helper.make_node("RegexFullMatch", ["x"], ["y"], pattern=pattern)], [x], [y])
        done = program.compile()
        check(f"pattern {pattern!r} is refused", done.returncode == 69 and reason in done.stderr, (done.returncode, done.stderr))


def kolmogorov(sample, cdf):
    """The largest distance of the sample's distribution from `cdf`, times the root of its size."""
    x = np.sort(sample.astype(np.float64))
    steps = np.arange(len(x) + 1) / len(x)
    at = cdf(x)
    return max(np.max(steps[1:] - at), np.max(at - steps[:-1])) * math.sqrt(len(x))


def distributions(smelt, folder):
    n = 100_000
    normal = np.vectorize(lambda v: 0.5 * (1 + math.erf((v - 2) / (3 * math.sqrt(2)))))
    info = lambda name, t=TensorProto.FLOAT: helper.make_tensor_value_info(name, t, None)
    nodes = [helper.make_node("RandomUniform", [], ["u"], shape=[n], low=-1.0, high=3.0, seed=1.0),
             helper.make_node("RandomNormal", [], ["g"], shape=[n], mean=2.0, scale=3.0, seed=7.0),
             helper.make_node("RandomUniform", [], ["v"], shape=[n], seed=1.5),
             helper.make_node("Bernoulli", ["p"], ["b"], seed=4.0),
             helper.make_node("Multinomial", ["l"], ["m"], sample_size=n, seed=5.0)]
    p, logits = np.full([n], 0.3, np.float32), np.log(np.array([[0.1, 0.6, 0.3]], np.float32))
    inputs = [helper.make_tensor_value_info("p", TensorProto.FLOAT, [n]), helper.make_tensor_value_info("l", TensorProto.FLOAT, [1, 3])]
    shaped = [helper.make_tensor_value_info(k, TensorProto.FLOAT, [n]) for k in "ugvb"] + [helper.make_tensor_value_info("m", TensorProto.INT32, [1, n])]
    program = Program(smelt, folder, nodes, inputs, shaped)
    done = program.compile()
    check("random ops compile", done.returncode == 0, done.stderr)
    status, got = program.run(p=p, l=logits)
    check("random ops run", status == 0, got)
    if status:
        return
    u, g, v, b, m = got
    # The 0.999 quantile of Kolmogorov's distribution is 1.95.
    check("uniform", kolmogorov(u, lambda x: (x + 1) / 4) < 1.95 and u.min() >= -1 and u.max() < 3)
    check("normal", kolmogorov(g, normal) < 1.95)
    check("another seed", kolmogorov(v, lambda x: x) < 1.95 and abs(np.corrcoef(u, v)[0, 1]) < 4 / math.sqrt(n))
    check("neighbours", abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 4 / math.sqrt(n))
    check("bernoulli", abs(b.mean() - 0.3) < 4 * math.sqrt(0.21 / n) and set(np.unique(b)) == {0.0, 1.0}, b.mean())
    shares = np.bincount(m[0], minlength=3) / n
    check("multinomial", np.all(np.abs(shares - [0.1, 0.6, 0.3]) < 4 * math.sqrt(0.24 / n)), shares)
    again = program.run(threads=2, p=p, l=logits)[1]
    check("the same numbers on two threads", all(np.array_equal(x, y) for x, y in zip(got, again)))
    dropout(smelt, folder, n)


def dropout(smelt, folder, n):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [n])
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [n]), helper.make_tensor_value_info("kept", TensorProto.BOOL, [n])]
    program = Program(smelt, folder, [helper.make_node("Dropout", ["x", "ratio", "train"], ["y", "kept"], seed=3)], [x], outputs,
                      [helper.make_tensor("ratio", TensorProto.FLOAT, [], [0.25]), helper.make_tensor("train", TensorProto.BOOL, [], [True])])
    done = program.compile()
    check("dropout compiles", done.returncode == 0, done.stderr)
    data = np.arange(1, n + 1, dtype=np.float32)
    status, got = program.run(x=data)
    check("dropout runs", status == 0, got)
    if status == 0:
        y, kept = got
        check("dropout keeps its share", abs(kept.mean() - 0.75) < 4 * math.sqrt(0.1875 / n), kept.mean())
        check("dropout scales what it keeps", np.allclose(y, np.where(kept, data / 0.75, 0), rtol=1e-6))


def gradients(smelt, folder):
    """A step through most rules, against differences of the same function in NumPy."""
    node, rng = helper.make_node, np.random.default_rng(3)
    feed = {"x": rng.normal(size=(2, 3)), "w": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    def loss(x, w, b):
        h = np.tanh(x @ w + b)
        s = np.exp(h - h.max(1, keepdims=True))
        s = s / s.sum(1, keepdims=True)
        parts = np.concatenate([np.log(s[:, 1:3]), np.abs(h), 1 / (1 + np.exp(-h))], 1)
        erf = np.vectorize(math.erf)
        t = np.maximum(parts.T @ x, 0.1) - np.minimum(np.cos(w[:2, :3]).sum(0), 2.0) * np.sin(b[:3])
        return np.mean(np.sqrt(t ** 2 + 1) / np.exp(erf(t)), 1)
    nodes = [node("MatMul", ["x", "w"], ["xw"]), node("Add", ["xw", "b"], ["xwb"]), node("Tanh", ["xwb"], ["h"]), node("Softmax", ["h"], ["s"]),
             node("Slice", ["s", "one", "three", "one"], ["cut"]), node("Log", ["cut"], ["l"]), node("Abs", ["h"], ["a"]), node("Sigmoid", ["h"], ["g"]),
             node("Concat", ["l", "a", "g"], ["parts"], axis=1), node("Transpose", ["parts"], ["pt"]), node("MatMul", ["pt", "x"], ["px"]),
             node("Max", ["px", "tenth"], ["m"]), node("Slice", ["w", "zeros", "corner"], ["wc"]), node("Cos", ["wc"], ["cw"]),
             node("ReduceSum", ["cw", "zero"], ["cs"], keepdims=0), node("Min", ["cs", "two"], ["cm"]), node("Slice", ["b", "zero", "three"], ["bc"]),
             node("Sin", ["bc"], ["sb"]), node("Mul", ["cm", "sb"], ["c"]), node("Sub", ["m", "c"], ["t"]), node("Pow", ["t", "two"], ["tt"]),
             node("Add", ["tt", "unit"], ["t1"]), node("Sqrt", ["t1"], ["root"]), node("Erf", ["t"], ["e"]), node("Exp", ["e"], ["ee"]),
             node("Div", ["root", "ee"], ["q"]), node("ReduceMean", ["q", "one"], ["y"], keepdims=0)]
    ints, reals = TensorProto.INT64, TensorProto.FLOAT
    constants = [helper.make_tensor(k, ints, [len(v)], v) for k, v in
                 {"one": [1], "three": [3], "zero": [0], "zeros": [0, 0], "corner": [2, 3]}.items()]
    constants += [helper.make_tensor(k, reals, [], [v]) for k, v in {"tenth": 0.1, "two": 2.0, "unit": 1.0}.items()]
    given = {k: helper.make_tensor_value_info(k, reals, v.shape) for k, v in feed.items()}
    given |= {k + "2": helper.make_tensor_value_info(k + "2", reals, v.shape) for k, v in feed.items()}
    results = [helper.make_tensor_value_info("d" + k, reals, v.shape) for k, v in feed.items()]
    for suffix in ("", "2"):  # at the same values, and at others than the graph's own
        step = node("Gradient", [k + suffix for k in feed], ["d" + k for k in feed], domain="ai.onnx.preview.training", xs=["x", "w", "b"], y="y")
        named = [v for k, v in given.items() if suffix or not k.endswith("2")]
        program = Program(smelt, folder, nodes + [step], named, results, constants, extra=[helper.make_opsetid("ai.onnx.preview.training", 1)])
        done = program.compile()
        check("a gradient compiles", done.returncode == 0, done.stderr)
        at = {k: v + (0.25 if suffix else 0) for k, v in feed.items()}
        numbers = {k: v.astype(np.float32) for k, v in feed.items()} | ({k + "2": v.astype(np.float32) for k, v in at.items()} if suffix else {})
        status, got = program.run(**numbers)
        check("a gradient runs", status == 0, got)
        for (name, value), found in zip(at.items(), got if status == 0 else []):
            wanted, step = np.zeros_like(value), 1e-6
            for i in np.ndindex(value.shape):
                low, high = ({**at, name: value + sign * step * (np.arange(value.size).reshape(value.shape) == np.ravel_multi_index(i, value.shape))}
                             for sign in (-1, 1))
                wanted[i] = (loss(**high) - loss(**low)).sum() / (2 * step)
            check(f"gradient of {name}{suffix}", np.allclose(found, wanted, rtol=2e-3, atol=2e-4), (found, wanted))
    bad = node("Gradient", ["x"], ["dx"], domain="ai.onnx.preview.training", xs=["x"], y="s")
    program = Program(smelt, folder, [node("CumSum", ["x", "axis"], ["s"]), bad], [given["x"]], results[:1],
                      [helper.make_tensor("axis", ints, [], [0])], extra=[helper.make_opsetid("ai.onnx.preview.training", 1)])
    done = program.compile()
    check("an op without a gradient is named", done.returncode == 69 and "the gradient of smelt.cumsum" in done.stderr, done.stderr)


def axes(smelt, folder):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 4])
    axes = helper.make_tensor_value_info("axes", TensorProto.INT64, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a"])
    program = Program(smelt, folder, [helper.make_node("ReduceSum", ["x", "axes"], ["s"], keepdims=0), helper.make_node("Mul", ["s", "s"], ["y"])],
                      [x, axes], [y])
    done = program.compile()
    check("axes of the run compile", done.returncode == 0, done.stderr)
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for given in ([0, 1], [1, 0], [-1, 0], [2, -2]):
        status, got = program.run(x=data, axes=np.array(given))
        check(f"axes {given}", status == 0 and np.array_equal(got[0], data.sum(axis=tuple(given)) ** 2), (status, got))
    for given, reason in (([0, 0], "no result for these axes"), ([0, 3], "must be -3..2"), ([-4, 0], "must be -3..2")):
        status, got = program.run(x=data, axes=np.array(given))
        check(f"axes {given} are refused", status == 65 and reason in got, (status, got))
    big = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1] * 9)
    many = helper.make_tensor_value_info("axes", TensorProto.INT64, [4])
    done = Program(smelt, folder, [helper.make_node("ReduceSum", ["x", "axes"], ["y"])], [big, many],
                   [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1] * 9)]).compile()
    check("too many possibilities are refused", done.returncode == 69 and "possibilities" in done.stderr, done.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smelt", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        patterns(options.smelt, folder)
        distributions(options.smelt, folder)
        axes(options.smelt, folder)
        gradients(options.smelt, folder)
    print(f"{len(FAILED)} failures")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
