"""Runs a command, sends it SIGTERM after a second; it must end by that signal."""
import signal
import subprocess
import sys
import time

process = subprocess.Popen(sys.argv[1:])
time.sleep(1)
process.send_signal(signal.SIGTERM)
code = process.wait(20)
sys.exit(0 if code == -signal.SIGTERM else f"exit {code}, wanted the end by SIGTERM")
