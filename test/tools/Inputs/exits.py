"""exits.py CODE COMMAND...: runs the command, which must end with this exit code."""
import subprocess
import sys

code = subprocess.run(sys.argv[2:]).returncode
sys.exit(0 if code == int(sys.argv[1]) else f"exit {code}, wanted {sys.argv[1]}")
