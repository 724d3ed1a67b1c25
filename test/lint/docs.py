"""The written docs against the tree: every relative link leads somewhere,
every `./dev verb` exists, every `--smelt-...` flag is a pass. The reference
pages themselves are generated at each build and cannot drift."""
import pathlib
import re

import common

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
VERB = re.compile(r"\./dev ([a-z][a-z-]*)")
FLAG = re.compile(r"`--?(smelt-[a-z0-9-]+)")
PASS = re.compile(r'^def\s+\w+\s*:\s*\w*Pass(?:Base)?\s*<\s*"([^"]+)"', re.M)


def docs(tree):
    findings = []
    dev = tree.text("dev") if "dev" in tree.paths else ""
    cases = dev[dev.rfind("case $verb in"):]
    verbs = {v for alts in re.findall(r"^  ([a-z][a-z |-]*)\)", cases, re.M) for v in re.split(r"\s*\|\s*", alts)}
    flags = {f for p in tree.having("Passes.td") for f in PASS.findall(tree.text(p))}
    for path in tree.having(".md"):
        text = tree.text(path)
        folder = tree.root / pathlib.PurePosixPath(path).parent
        for link in LINK.findall(text):
            if "://" not in link and not link.startswith("mailto:") and not (folder / link).exists():
                findings.append(f"{path}: the link to {link} leads nowhere")
        findings += [f"{path}: ./dev {v} is no verb of dev" for v in sorted(set(VERB.findall(text)) - verbs)]
        findings += [f"{path}: no pass has the flag {f}" for f in sorted(set(FLAG.findall(text)) - flags)]
    return findings


if __name__ == "__main__":
    common.main(docs)
