"""Every file of $SMELT_CORPUS/hostile through `smelt compile`: an exit code
that EXPECTED.json allows, never a signal, a message that names the file (the
model, or its external data) and what EXPECTED.json says it must name, no output left by a refusal, within 5 s
and 384 MB, and no file opened that is neither the model's folder's, the
output's, nor the system's. What is accepted runs, and ends with a documented
exit code. Exit status 1 when any case is wrong.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parent / "models")]

import numpy as np
import onnx
from onnx import helper

import values
from bounded import bounded

SECONDS, PEAK_MB, ADDRESS_MB = 5, 384, 8000
DOCUMENTED = {0, 64, 65, 66, 69, 70, 71, 73, 74, 75, 77, 80, 81, 82}
# Words a message must hold besides the file's name, where EXPECTED.json asks for one.
MUST_SAY = {"06_lfs_pointer": "lfs", "15_unknown_op": "FooBar"}
NEVER_RUN = {"64_loop_max_trip"}
# Case -> a feed that must be refused at run time with one of these exit codes.
BAD_FEEDS = {"4b_gather_oob_runtime": ({"i": np.array([1 << 40])}, {65})}
# What a process opens on this system whatever it does.
SYSTEM = ("/lib", "/usr/lib", "/usr/share/zoneinfo", "/etc/ld.so", "/etc/locale", "/proc/", "/sys/", "/dev/null", "/dev/urandom", "/dev/tty")
OPENED = re.compile(r'\b(?:open|openat|openat2|creat)\((?:AT_FDCWD(?:<[^>]*>)?, |\d+(?:<([^>]*)>)?, )?"((?:[^"\\]|\\.)*)".*\)\s+= (\d+)(?:<([^>]*)>)?')


def opened(smelt, model, exe, tmp, env):
    """The files a compile opened, as the kernel names them; None without strace."""
    if not shutil.which("strace"):
        return None
    log = tmp / "strace.log"
    done = bounded(["strace", "-f", "-qq", "-y", "-e", "trace=open,openat,openat2,creat", "-o", log, "--",
                    smelt, "compile", model, "-o", exe], 60, env=env)
    if not log.exists() or "ptrace" in done.err:
        return None
    found = set()
    for line in log.read_text(errors="replace").splitlines():
        match = OPENED.search(line)
        if match:
            found.add(match.group(4) or match.group(2))
    return found


def feed_of(path):
    """Small inputs for an accepted model; None when a name cannot be typed."""
    model = onnx.load(path, load_external_data=False)
    initial = {t.name for t in model.graph.initializer}
    feed = {}
    for value in model.graph.input:
        if value.name in initial:
            continue
        if not value.name.isprintable():
            return None, model
        kind = value.type.tensor_type
        shape = [d.dim_value for d in kind.shape.dim]
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
        feed[value.name] = np.full(shape, "a", object) if dtype.kind == "O" else np.ones(shape, dtype)
    return feed, model


def run(exe, feed, tmp, env):
    command = [exe]
    for k, (name, value) in enumerate(feed.items()):
        values.save(tmp / f"in_{k}.pb", value, name)
        command += ["--input", f"{name}=@{tmp / f'in_{k}.pb'}"]
    return bounded(command, 30, ADDRESS_MB, env=env)


def check(smelt, folder, case, rule, tmp):
    """Yields what is wrong with one case."""
    model, exe = folder / f"{case}.onnx", tmp / "exe"
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp / "cache"), "TMPDIR": str(tmp), "HOME": str(tmp)}
    done = bounded([smelt, "compile", model, "-o", exe], SECONDS * 4, ADDRESS_MB, env=env)
    if done.timed_out or done.seconds > SECONDS:
        yield f"took {done.seconds:.1f} s, wanted at most {SECONDS}"
    if done.peak_mb > PEAK_MB:
        yield f"took {done.peak_mb:.0f} MB, wanted at most {PEAK_MB}"
    if done.status not in rule["exit"]:
        yield f"{done.why() or 'exit 0'}, wanted {rule['exit']} ({rule['expect']})"
        return
    if done.status:
        if str(folder) not in done.err:  # the model's path, or that of the external file it is about
            yield f"the message names no file: {done.err.strip()[:200]!r}"
        if MUST_SAY.get(case, "") not in done.err:
            yield f"the message does not say {MUST_SAY[case]}: {done.err.strip()[:200]!r}"
        if exe.exists():
            yield "left an output behind"
    elif case not in NEVER_RUN:
        feed, _ = feed_of(model)
        runs = [] if feed is None else [(feed, {0} if rule["expect"].startswith("accept") else DOCUMENTED)]
        if case in BAD_FEEDS:
            runs = [({k: np.zeros_like(v) for k, v in feed.items()}, {0}), BAD_FEEDS[case]]
        for given, wanted in runs:
            ran = run(exe, given, tmp, env)
            if ran.status not in wanted:
                yield f"running it: {ran.why() or 'exit 0'}, wanted {sorted(wanted)}"
    files = opened(smelt, model, exe, tmp, env)
    own = (str(folder), str(tmp), str(pathlib.Path(smelt).resolve().parents[1]))
    foreign = [name for name in sorted(files or ()) if name.startswith("/") and not name.startswith(SYSTEM + own)]
    if foreign:
        yield f"opened {len(foreign)} files outside the model's folder: {', '.join(foreign[:4])}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smelt", required=True, help="the driver")
    parser.add_argument("--folder", default=os.path.join(os.environ.get("SMELT_CORPUS", ""), "hostile"))
    parser.add_argument("--only", default="", metavar="PATTERN")
    options = parser.parse_args()
    source = pathlib.Path(options.folder)
    if not (source / "EXPECTED.json").is_file():
        print("skipped: SMELT_CORPUS names no folder with hostile/EXPECTED.json")
        return 77
    smelt = shutil.which(options.smelt) or options.smelt
    failed = cases = 0
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp, "models").resolve()
        shutil.copytree(source, folder, copy_function=shutil.copyfile)
        os.chmod(folder, 0o755)
        os.symlink("/etc/passwd", folder / "link_to_passwd")  # what case 39 needs
        for case, rule in json.loads((source / "EXPECTED.json").read_text()).items():
            if options.only not in case:
                continue
            scratch = pathlib.Path(tmp, "out", case).resolve()
            scratch.mkdir(parents=True)
            wrong = list(check(smelt, folder, case, rule, scratch))
            cases += 1
            failed += bool(wrong)
            for why in wrong:
                print(f"failed  {case}: {why}", flush=True)
            shutil.rmtree(scratch)
    if not shutil.which("strace"):
        print("skipped: no strace, so the files opened were not checked")
    print(f"{cases - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
