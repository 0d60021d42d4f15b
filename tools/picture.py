"""Draw docs/images/run.svg: a real run of the agent with two sidecars, coloured as on a terminal. Needs root."""

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COMMAND = (
    *(
        "run",
        "examples/manifests/agent-with-logging-and-metrics.yaml",
        "examples/manifests/prometheus-config.yaml",
    ),
    *("--image", "myregistry.azurecr.io/agent:v1=examples/agent", "--timeline", "--timeout", "3"),
)
WIDTH = 132
LEFT_OUT = re.compile(r"agent-with-sidecars/metrics-sidecar \| |stand-in: ")
"""Prometheus' own lines, and those about stand-ins: long, and not what the picture is about."""
COLOURS = (
    (r"^[A-Z ]{4,}$", "bold"),
    (r"^agent-with-sidecars/\S+ \|", "cyan"),
    (r"  Running  ", "green"),
    (r"  (Pending|Init:\S+|PodInitializing|Terminating)  ", "yellow"),
    (r"→ [a-zA-Z ]+?(?=  )", "bold"),
    (r"(?<= )running( \(restart \d+\))?$", "green"),
)


def main() -> None:
    ran = subprocess.run(
        (str(ROOT / ".venv/bin/pillion"), *COMMAND), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 124, ran.stdout + ran.stderr
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(
        Text("$ pillion run agent-with-logging-and-metrics.yaml prometheus-config.yaml … --timeline")
    )
    for line in ran.stdout.splitlines():
        if not LEFT_OUT.match(line):
            text = Text(line)
            for pattern, style in COLOURS:
                text.highlight_regex(pattern, style)
            console.print(text, no_wrap=True, overflow="ellipsis")
    console.save_svg(str(ROOT / "docs/images/run.svg"), title="pillion run")


if __name__ == "__main__":
    main()
