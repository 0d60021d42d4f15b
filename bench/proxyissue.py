"""How long a certificate takes, key included: in the process that issues it (`pillion serve`), and by the command."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from bench.collecting import PILLION, environment
from bench.figures import Figure
from pillion.proxy.authority import format_key, generate_key, open_authority
from pillion.proxy.identity import of_service_account
from pillion.units import Instant

ROUNDS = 50
COMMANDS = 5
_DOMAIN = "cluster.local"


def issue(folder: Path) -> list[Figure]:
    place = folder / "authority"
    now = Instant(time.time())  # noqa: TID251 - of this machine: the command has it too
    opened = open_authority(place, _DOMAIN, now)
    took = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        key = generate_key()
        opened.issue(key.public_key(), of_service_account(_DOMAIN, "default", "agent"), now=now)
        format_key(key)
        took.append((time.perf_counter() - begun) * 1000)
    commands = []
    argv = (PILLION, "authority", "issue", "agent", "--folder", str(place), "--to", str(folder / "agent"))
    for _ in range(COMMANDS + 1):
        begun = time.perf_counter()
        subprocess.run(argv, env=environment(folder / "issue"), capture_output=True, check=True)
        commands.append((time.perf_counter() - begun) * 1000)
    return [
        Figure("key and certificate (P-256)", "ms", tuple(took[1:])),
        Figure("pillion authority issue", "ms", tuple(commands[1:])),
    ]
