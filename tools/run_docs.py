"""Run the commands that the documentation shows, and write down what they print.

    tools/run_docs.py [FILE...]      all pages when no file is named

A block that begins with ```console run is run anew, line by line, in one shell whose folder is the repository; what its
commands print replaces what the block showed. Other blocks are left alone: they need two terminals, or a cluster.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?m)^```console run\n(.*?)^```$", re.DOTALL)
PATIENCE = 120
"""Seconds for one block."""


def commands(block: str) -> list[str]:
    """The commands of a block: what follows a `$ `, and a `> ` right after it."""
    found: list[str] = []
    is_open = False
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
            is_open = True
        elif is_open and line.startswith("> "):
            found[-1] += "\n" + line[2:]
        else:
            is_open = False
    return found


def rerun(block: str) -> str:
    """The block with fresh output. A command that hangs ends the tool: TimeoutExpired."""
    asked = commands(block)
    # `$?` is that of the command before, not of the mark between them.
    script = "s=0\n" + "".join(f"printf '\\0'; (exit $s)\n{command}\ns=$?\n" for command in asked)
    ran = subprocess.run(
        ("bash", "-c", script),
        cwd=ROOT,
        env=os.environ | {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    printed = ran.stdout.split("\0")[1:]
    shown = []
    for command, output in zip(asked, printed, strict=True):
        text = "\n".join(line.rstrip() for line in output.splitlines())
        asked_for = "$ " + command.replace("\n", "\n> ")
        shown.append(f"{asked_for}\n{text}\n" if text else f"{asked_for}\n")
    return "".join(shown)


def main(names: list[str]) -> None:
    pages = [Path(name).resolve() for name in names] or [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        text = page.read_text()
        fresh = BLOCK.sub(lambda found: f"```console run\n{rerun(found[1])}```", text)
        if fresh != text:
            page.write_text(fresh)
            print(f"{page.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main(sys.argv[1:])
