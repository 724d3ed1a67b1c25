"""What the storage phase leaves: a table of every model of $SMELT_CORPUS/models (or --models DIR).

Per model: kernels, kernels that only move data (those that read an input or
write an output of the model apart), the arena's bytes and the largest sum of
bytes that live at once, symbols taken as 32. --list names the kernels. A model
whose arena exceeds --limit times that sum is a failure, and with --peer one that
has more kernels than ONNX Runtime's optimized graph has nodes.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

SKIPPED = 77
MOVES = {"reshape", "rebind", "transpose", "broadcast", "slice", "concat", "pad", "tile", "gather", "gather_elements",
         "gather_nd", "constant", "iota", "yield"}


def kernels(text):
    """(result, name, family, operands, ops of the body) of every kernel of the module's text."""
    found, current, indent = [], None, ""
    for line in text.splitlines():
        head = re.match(r'(\s*)(%\S+) = smelt\.kernel "([^"]*)"\((.*?)\) schedule <"(\w+)"', line)
        if head:
            indent = head.group(1)
            current = (head.group(2), head.group(3), head.group(5), head.group(4).split(", "), [])
        elif current and line.startswith(indent + "}"):
            found.append(current)
            current = None
        elif current and not line.lstrip().startswith("^"):
            op = re.search(r"smelt\.(\w+)", line)
            if op:
                current[4].append(op.group(1))
    return found


def names_of(text):
    """Values that are the model's outputs, views looked through."""
    source = {}
    for view in re.finditer(r"(%\S+) = smelt\.(?:reshape|rebind) (%\S+)", text):
        source[view.group(1)] = view.group(2)
    for concat in re.finditer(r"^    (%\S+) = smelt\.concat ([^{]*)", text, re.M):
        for operand in concat.group(2).split(","):
            source.setdefault(concat.group(1), []).append(operand.strip())
    outputs, work = set(), re.findall(r"%\w+", "".join(re.findall(r"^\s*return (.*?) :", text, re.M)))
    while work:
        value = work.pop()
        outputs.add(value)
        more = source.get(value, [])
        work.extend(more if isinstance(more, list) else [more])
    return outputs


def emit(smelt, model, kind):
    done = subprocess.run([smelt, "compile", model, "--emit=" + kind, "-q", "-o", "/dev/stdout"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=300, check=False)
    return done.stdout.decode() if done.returncode == 0 else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smelt", required=True)
    parser.add_argument("--models", default=os.environ.get("SMELT_CORPUS") and os.environ["SMELT_CORPUS"] + "/models")
    parser.add_argument("--only", default="", metavar="PATTERN", help="models whose path contains it")
    parser.add_argument("--limit", type=float, default=1.05)
    parser.add_argument("--symbolic-limit", type=float, default=1.2, help="where the run plans, at symbols of 32")
    parser.add_argument("--peer", metavar="JSON", help="figures of `./dev bench corpus`; more kernels than the peer has nodes is a failure")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if not options.models:
        print("SMELT_CORPUS is not set")
        return SKIPPED
    failed = 0
    peer = json.loads(pathlib.Path(options.peer).read_text())["models"] if options.peer else {}
    print("| model | kernels | move only | at inputs, outputs | arena | live | x |\n|---|---|---|---|---|---|---|")
    for path in sorted(pathlib.Path(options.models).glob("*/*/model.onnx")):
        name = str(path.parent.relative_to(options.models))
        if options.only not in name:
            continue
        text, host = emit(options.smelt, path, "kernels"), emit(options.smelt, path, "host")
        memory = re.search(r"arena (\d+) \(lower bound (\d+)\)", host)
        if not memory:
            print(f"| {name} | does not compile |")
            continue
        arena, live = int(memory.group(1)), int(memory.group(2))
        outputs = names_of(text)
        every = kernels(text)
        moving = [k for k in every if set(k[4]) <= MOVES]
        inner = [k for k in moving if k[0] not in outputs and not any(o.startswith("%arg") for o in k[3])]
        ratio = arena / live if live else 1.0
        failed += ratio > (options.symbolic_limit if re.search(r": plan ", host) else options.limit)
        print(f"| {name} | {len(every)} | {len(inner)} | {len(moving) - len(inner)} | {arena} | {live} | {ratio:.3f} |")
        nodes = peer.get(name, {}).get("peer_nodes")
        if nodes is not None and len(every) > nodes:
            failed += 1
            print(f"    {len(every)} kernels, ONNX Runtime's optimized graph has {nodes} nodes")
        if options.list:
            for kernel in inner:
                print(f"    {kernel[2]} {kernel[1]}: {', '.join(o for o in kernel[4] if o != 'yield') or 'copy'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
