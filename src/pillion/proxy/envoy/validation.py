"""What Envoy says of a configuration before it is used (`--mode validate`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.errors import PillionError
from pillion.process import run_unchecked
from pillion.proxy.envoy.launch import Call, command_line
from pillion.proxy.envoy.said import parse_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATIENCE = 20.0
"""Seconds; it takes a tenth of one."""
_ERROR = 40


class EnvoyRefusedError(PillionError):
    """Envoy does not take what pillion made of a configuration."""


async def validate(call: Call, bootstrap: Path, pass_fds: Sequence[int]) -> None:
    """Raises EnvoyRefusedError with Envoy's words, and HostError when it cannot be run."""
    argv = [*command_line(call, bootstrap), "--mode", "validate"]
    completed = await run_unchecked(argv, timeout=PATIENCE, pass_fds=pass_fds)
    if completed.timed_out:
        raise EnvoyRefusedError(f"{call.program} --mode validate did not end within {PATIENCE:g} s")
    if completed.status == 0:
        return
    said = [
        message.text
        for line in completed.stderr.decode("utf-8", "replace").splitlines()
        if (message := parse_line(line)) is not None and message.level >= _ERROR
    ]
    words = "; ".join(dict.fromkeys(said)) or f"it ended with status {completed.status} and no reason"
    raise EnvoyRefusedError(f"Envoy does not take the configuration: {words}")
