"""What the lints share: the tree's files, and how a finding is reported.

A lint is a function from a Tree to a list of findings. `main(lint)` runs it on
the repository (or on --root, which selftest.py uses) and exits 1 on findings.
"""
import argparse
import pathlib
import subprocess
import sys

CODE = (".cpp", ".h", ".td", ".c")


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        out = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", str(self.root), "ls-files",
             "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout
        self.paths = sorted(p for p in set(out.splitlines())
                            if (self.root / p).is_file())

    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def lines(self, path):
        return self.text(path).splitlines()

    def having(self, *suffixes):
        return [p for p in self.paths if p.endswith(suffixes)]


def main(lint):
    parser = argparse.ArgumentParser(description=lint.__doc__)
    parser.add_argument("--root", default=pathlib.Path(__file__).parents[2])
    findings = lint(Tree(parser.parse_args().root))
    for finding in findings:
        print(finding)
    print(f"{lint.__name__}: {len(findings)} findings")
    sys.exit(1 if findings else 0)
