"""Writes or checks docs/onnx-coverage.md: ONNX's ops against the backend suite.

What fails is read from expected-failures.txt, which the suite's own test keeps
true; the ops that are imported from the tables of frontend/onnx/import; the cases
from $SMELT_CORPUS/onnx-suite. Nothing is compiled.
"""
import argparse
import collections
import os
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE)]

import onnx

import run

PAGE = ROOT / "docs" / "onnx-coverage.md"
ROW = re.compile(r'\{(?:(\w+)|"([\w.]*)"), "(\w+)", (\d+), ')
DOMAIN = re.compile(r'StringLiteral (\w+) = "([\w.]+)"')
OWN = {("", "If"): [1], ("", "Loop"): [1], ("", "Scan"): [8], ("", "SequenceMap"): [17], ("", "Constant"): [1]}
MODES = ["static", "dynamic", "const"]


def imported():
    """Versions from which on each op is imported, by domain and name; refusing rows apart."""
    found = collections.defaultdict(set)
    for path in (ROOT / "frontend/onnx/import").glob("*.cpp"):
        text = path.read_text()
        names = dict(DOMAIN.findall(text))
        for line in text.splitlines():
            row = ROW.search(line)
            if row and not re.search(r", refuse\}", line):
                domain = names.get(row.group(1)) if row.group(1) else row.group(2)
                if domain is not None:
                    found[domain, row.group(3)].add(int(row.group(4)))
    for key, versions in OWN.items():
        found[key] |= set(versions)
    return found


def failures():
    found = collections.defaultdict(set)
    for line in run.LIST.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, modes = line.split()[:2]
            found[name] |= set(modes.split(","))
    return found


def nodes(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs] if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) else []:
                yield from nodes(inner)


def survey(corpus):
    cases, listed = [], failures()
    with tempfile.TemporaryDirectory() as folder:
        for case in run.unpack(corpus, folder):
            model = onnx.load(case / "model.onnx", load_external_data=False)
            initial = {t.name for t in model.graph.initializer}
            inputs = [v for v in model.graph.input if v.name not in initial]
            name = f"{case.parent.name}/{case.name}"
            modes = MODES if any(v.type.WhichOneof("value") == "tensor_type" for v in inputs[1:]) else MODES[:2]
            types = {onnx.TensorProto.DataType.Name(v.type.tensor_type.elem_type).lower() for v in inputs
                     if v.type.WhichOneof("value") == "tensor_type"}
            ops = {(n.domain if n.domain != "ai.onnx" else "", n.op_type) for n in nodes(model.graph)}
            cases.append((name, ops, modes, listed.get(name, set()), types))
    return cases


def page(corpus):
    cases, known = survey(corpus), imported()
    total, passed = collections.Counter(), collections.Counter()
    by_op = collections.defaultdict(lambda: [collections.Counter(), collections.Counter(), set()])
    for _, ops, modes, failed, types in cases:
        for mode in modes:
            total[mode] += 1
            passed[mode] += mode not in failed
        for op in ops:
            entry = by_op[op]
            for mode in modes:
                entry[0][mode] += 1
                entry[1][mode] += mode not in failed
            if "static" not in failed:
                entry[2] |= types
    schemas = {(s.domain, s.name) for s in onnx.defs.get_all_schemas()}
    lines = ["# ONNX's ops and its backend suite", "",
             "Made by `test/onnx-suite/coverage.py --write`, and checked by `./dev test -R coverage`. The target is the CPU, the level -O0 or\n"
             "-O2: a case passes at both ([per case](../bench/results/onnx-suite.json)). It counts for every op in its",
             "model. *static*: the model as it is; *dynamic*: every dim a symbol; *const*: all inputs but the first are constants.", "",
             "| mode | passed | of | |", "|---|---|---|---|"]
    lines += [f"| {mode} | {passed[mode]} | {total[mode]} | {100 * passed[mode] / total[mode]:.1f} % |" for mode in MODES]
    lines += ["", "An op without a version is not imported. Types are those of the inputs in passing cases.", "",
              "| op | imported since | static | dynamic | const | types |", "|---|---|---|---|---|---|"]
    for domain, name in sorted(schemas | set(known) | set(by_op)):
        versions = ", ".join(map(str, sorted(known.get((domain, name), []))))
        entry = by_op.get((domain, name))
        counts = [f"{entry[1][m]}/{entry[0][m]}" if entry and entry[0][m] else "" for m in MODES]
        if not versions and (domain, name) in schemas and onnx.defs.get_schema(name, domain=domain).has_function:
            versions = "by its function"
        title = f"{domain}.{name}" if domain else name
        lines.append(f"| {title} | {versions} | {' | '.join(counts)} | {', '.join(sorted(entry[2])) if entry else ''} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    corpus = os.environ.get("SMELT_CORPUS")
    if not corpus:
        print("skipped: SMELT_CORPUS is not set")
        return run.SKIPPED
    text = page(corpus)
    if options.write:
        PAGE.write_text(text)
        return 0
    if not PAGE.exists() or PAGE.read_text() != text:
        print(f"{PAGE.relative_to(ROOT)} is not what it should be; run test/onnx-suite/coverage.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
