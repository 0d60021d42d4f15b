"""The proxy sidecar at work: from a configuration to a running Envoy; signals; updates; the end.

Exit status: 0 after SIGTERM or SIGINT, 1 when Envoy ended by itself (the kubelet starts the container anew), 128 + N
after a second signal N. What keeps it from starting is raised.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pillion.proxy.application import messages

if TYPE_CHECKING:
    from pillion.proxy.application.sidecar import Options


def run(options: Options) -> int:
    """Serve until SIGTERM; the exit status. Raises PillionError when it cannot start."""
    from pillion.proxy.application.sidecar import Sidecar

    handler = messages.install(level=options.log_level, style=options.log_format)
    try:
        return asyncio.run(Sidecar(options).run())
    finally:
        messages.uninstall(handler)
