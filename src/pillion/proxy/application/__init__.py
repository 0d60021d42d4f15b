"""The proxy sidecar at work: from a configuration to a running Envoy; signals; updates; the end.

Exit status: 0 after SIGTERM or SIGINT, 1 when Envoy ended by itself (the kubelet starts the container anew), 128 + N
after a second signal N. What keeps it from starting is raised.
"""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING

from pillion.clock import LoopClock
from pillion.proxy.application import messages
from pillion.proxy.application.reading import Reading

if TYPE_CHECKING:
    from pillion.proxy.application.options import Options


def run(options: Options) -> int:
    """Serve until SIGTERM; the exit status. Raises PillionError when it cannot start."""
    handler = messages.install(level=options.log_level, style=options.log_format)
    _leave_no_core()
    try:
        return asyncio.run(_run(options))
    finally:
        messages.uninstall(handler)


def _leave_no_core() -> None:
    """A dump of our memory or of Envoy's, which inherits this, would be a file with private keys.

    One byte, as the kernel writes nothing that is cut off, and starts the program of a core_pattern that begins with
    `|` whatever the limit is, but for this one (fs/coredump.c, do_coredump).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = 1 if hard else 0
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


async def _run(options: Options) -> int:
    clock = LoopClock()
    reading = Reading(options.file, clock.now())
    try:
        # While the child reads, we load the rest.
        from pillion.proxy.application.sidecar import Sidecar

        return await Sidecar(options, clock).run(reading)
    finally:
        reading.close()
