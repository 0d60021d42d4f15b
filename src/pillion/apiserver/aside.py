"""Long work beside the event loop: reading a body of megabytes, printing ten thousand objects.

A thread does not make such work faster: it lets everybody else be served meanwhile, in turns of a few milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

LONG_BYTES = 128 * 1024
"""From here on work takes longer than the turns in which a thread and the loop alternate (sys.getswitchinterval)."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def run_aside(
    size: int, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """What `work` returns or raises; in a thread when `size`, in bytes, says that it takes long.

    It must be free to run while the loop runs: it reads and changes nothing that others have.
    """
    if size < LONG_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
