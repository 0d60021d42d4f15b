"""Run the commands that the documentation shows, and write down what they print.

    tools/run_docs.py [--only run|serve] [FILE...]      all pages when no file is named

A block that begins with ```console run is run anew, line by line, in one shell whose folder is the repository; what its
commands print replaces what the block showed. The blocks of a page that begin with ```console serve share one shell,
and with it the `pillion serve` that the first of them starts. That one has a state directory and a port of its own; the
page shows the usual ones. Other blocks are left alone: they need two terminals, or a cluster.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pillion.daemon.serving import DEFAULT_PORT, DEFAULT_STATE_DIR

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?m)^```console (?P<kind>run|serve)\n(?P<body>.*?)^```$", re.DOTALL)
PATIENCE = 120
"""Seconds for one shell of blocks that run."""
SERVED_PATIENCE = 300
"""Seconds for the one shell of blocks that are served."""


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


def rerun(blocks: list[str], prelude: str, environment: dict[str, str], patience: float) -> list[str]:
    """The blocks with fresh output, all from one shell. A command that hangs ends the tool: TimeoutExpired."""
    asked = [commands(block) for block in blocks]
    # `$?` is that of the command before, not of the mark between them.
    script = f"{prelude}\ns=0\n" + "".join(
        f"printf '\\0'; (exit $s)\n{command}\ns=$?\n" for block in asked for command in block
    )
    ran = subprocess.run(
        ("bash", "-c", script),
        cwd=ROOT,
        env=os.environ | {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "COLUMNS": "100"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patience,
        check=False,
    )
    printed = iter(ran.stdout.split("\0")[1:])
    return ["".join(_shown(command, next(printed)) for command in block) for block in asked]


def _shown(command: str, output: str) -> str:
    text = "\n".join(line.rstrip() for line in output.splitlines())
    asked_for = "$ " + command.replace("\n", "\n> ")
    return f"{asked_for}\n{text}\n" if text else f"{asked_for}\n"


def rerun_served(blocks: list[str]) -> list[str]:
    with _server_of_its_own() as (state, port, environment):
        # The page says `pillion serve`; what differs here is not its subject.
        prelude = (
            f'pillion() {{ if [ "$1" = serve ]; then set -- "$@" --port {port}; fi; command pillion "$@"; }}'
        )
        fresh = rerun(blocks, prelude, environment, SERVED_PATIENCE)
    usual = {
        f" --state-dir {state}": "",
        str(state): DEFAULT_STATE_DIR,
        str(state.parent): "/root",
        str(port): str(DEFAULT_PORT),
        str(ROOT): "/opt/pillion",
    }
    for ours, shown in usual.items():
        fresh = [block.replace(ours, shown) for block in fresh]
    return fresh


@contextmanager
def _server_of_its_own() -> Iterator[tuple[Path, int, dict[str, str]]]:
    """A place for a server, its port, and the environment that finds it. What still runs at the end is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pillion-docs-") as folder:
        state = Path(folder) / "state"
        environment = {"PILLION_STATE_DIR": str(state), "HOME": folder}
        try:
            yield state, port, environment
        finally:
            stop = (f"{ROOT}/.venv/bin/pillion", "stop", "--now", "--state-dir", str(state))
            subprocess.run(stop, stdout=subprocess.DEVNULL, check=True)


def refresh(text: str, kinds: tuple[str, ...]) -> str:
    """A page's text with the blocks of these kinds run anew."""
    fresh: dict[int, str] = {}
    found = [block for block in BLOCK.finditer(text) if block["kind"] in kinds]
    for block in found:
        if block["kind"] == "run":
            fresh[block.start()] = rerun([block["body"]], "", {}, PATIENCE)[0]
    served = [block for block in found if block["kind"] == "serve"]
    if served:
        bodies = rerun_served([block["body"] for block in served])
        fresh |= {block.start(): body for block, body in zip(served, bodies, strict=True)}
    return BLOCK.sub(
        lambda block: f"```console {block['kind']}\n{fresh.get(block.start(), block['body'])}```", text
    )


def main(arguments: list[str]) -> None:
    kinds: tuple[str, ...] = ("run", "serve")
    if arguments[:1] == ["--only"]:
        kinds, arguments = (arguments[1],), arguments[2:]
    pages = [Path(name).resolve() for name in arguments]
    for page in pages or [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text()
        fresh = refresh(text, kinds)
        if fresh != text:
            page.write_text(fresh)
            print(f"{page.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main(sys.argv[1:])
