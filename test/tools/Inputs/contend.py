"""Compiles into one cache folder from two processes at once, and kills compilers
at any time; what is compiled afterwards has the bytes of the wanted file."""
import pathlib
import subprocess
import sys
import time

smelt, model, wanted, folder = sys.argv[1:]
folder = pathlib.Path(folder)
folder.mkdir()


def compile_to(output):
    return [smelt, "compile", "-q", f"--cache-dir={folder / 'cache'}", model, "-o", str(folder / output)]


for turn in range(10):
    process = subprocess.Popen(compile_to("killed"))
    time.sleep(0.03 * (turn + 1))
    process.kill()
    process.wait()
for pair in range(2):
    both = [subprocess.Popen(compile_to(name)) for name in ("a", "b")]
    for process, name in zip(both, ("a", "b")):
        if process.wait() or (folder / name).read_bytes() != pathlib.Path(wanted).read_bytes():
            sys.exit(f"{name} of pair {pair} differs")
