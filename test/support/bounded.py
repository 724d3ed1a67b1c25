"""Runs a command within a time and memory bound and measures what it took.

    result = bounded(["smelt", "compile", ...], seconds=30, address_mb=8000)

The command is started by a small process of its own (this file as a script):
peak memory as the kernel reports it includes what the parent held at the fork,
and a test that has loaded models must not be counted to the command.
"""
import dataclasses
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time


@dataclasses.dataclass
class Result:
    status: int       # exit status; -N when ended by signal N
    seconds: float
    peak_mb: float
    timed_out: bool
    out: str
    err: str

    def why(self):
        """What went wrong, in one line; empty when the status is 0."""
        if self.timed_out:
            return f"timed out after {self.seconds:.0f} s"
        if self.status == 0:
            return ""
        said = [line for line in self.err.splitlines() if line.strip()]
        ended = f"signal {signal.Signals(-self.status).name}" if self.status < 0 else f"exit {self.status}"
        return f"{ended}: {said[0][:300]}" if said else ended


def bounded(command, seconds, address_mb=0, cwd=None, env=None):
    read, write = os.pipe()
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-B", __file__, str(write), str(seconds), str(address_mb), *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, pass_fds=[write], cwd=cwd, env=env)
    os.close(write)
    with os.fdopen(read) as pipe:
        report = json.loads(pipe.read() or "null")
    if report is None:
        raise RuntimeError(f"cannot run {command}: {done.stderr.decode(errors='replace')}")
    return Result(out=done.stdout.decode(errors="replace"), err=done.stderr.decode(errors="replace"), **report)


def main():
    report, seconds, address_mb = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    os.set_inheritable(report, False)
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if address_mb:
                resource.setrlimit(resource.RLIMIT_AS, (address_mb << 20, address_mb << 20))
            os.execvp(sys.argv[4], sys.argv[4:])
        except OSError as error:
            os.write(2, f"{sys.argv[4]}: {error.strerror}\n".encode())
            os._exit(127)
    timed_out = False

    def expire(*_):
        nonlocal timed_out
        timed_out = True
        os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, status, usage = os.wait4(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(report, json.dumps({
        "status": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - begin,
        "peak_mb": usage.ru_maxrss / 1024, "timed_out": timed_out}).encode())


if __name__ == "__main__":
    main()
