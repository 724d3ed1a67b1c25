"""Workers of smelt-suite: many models compiled and run without a process each.

A worker that dies or hangs fails the case it was at, by name, and is replaced.
"""
import json
import os
import queue
import select
import signal
import subprocess
import threading


class Worker:
    """One smelt-suite process."""

    def __init__(self, tool, memory_mb):
        self.tool, self.memory_mb, self.process = tool, memory_mb, None

    def start(self):
        import resource
        limit = self.memory_mb << 20
        self.process = subprocess.Popen([self.tool], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        self.pending = b""

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
                stream.close()
        self.process = None

    def ask(self, request, seconds):
        """The worker's answer, or one of its own with the stage "died"."""
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.start()
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            data = os.read(self.process.stdout.fileno(), 1 << 16) if ready else None
            if not data:
                return self.died("no answer within %g s" % seconds if data is None else None)
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line)

    def died(self, why):
        if why is None:
            code = self.process.wait()
            said = self.process.stderr.read().decode(errors="replace").strip().splitlines()
            name = signal.Signals(-code).name if code < 0 else f"exit {code}"
            why = f"{name}: {said[0] if said else 'nothing said'}"
        self.stop()
        return {"stage": "died", "code": 70, "text": why}


def run_all(tool, requests, jobs=2, seconds=60, memory_mb=8000):
    """Answers in the order of `requests`: (function giving a request, or None to skip), computed in the workers' threads."""
    answers = [None] * len(requests)
    work = queue.SimpleQueue()
    for item in enumerate(requests):
        work.put(item)

    def loop():
        worker = Worker(tool, memory_mb)
        try:
            while True:
                try:
                    index, make = work.get_nowait()
                except queue.Empty:
                    return
                request = make()
                answers[index] = worker.ask(request, seconds) if request else None
        finally:
            worker.stop()

    threads = [threading.Thread(target=loop) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
