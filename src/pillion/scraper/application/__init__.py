"""One scraper: from a configuration to running targets; signals; reload; the end.

Exit status: 0 after SIGTERM, SIGINT or /-/quit, whatever is left for the next start (it is in the write-ahead log);
128 + N after a second signal N. What keeps it from starting is raised.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pillion.scraper.application import memory, messages
from pillion.scraper.application.running import Application

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pillion.scraper.configuration import Configuration, Flags


def run(
    configuration: Configuration,
    flags: Flags,
    *,
    environment: Mapping[str, str],
    reload: Callable[[], Configuration],
) -> int:
    """Scrape until SIGTERM or /-/quit; the exit status.

    `reload` reads the files again and raises PillionError when they cannot be used: the old configuration stays. Raises
    PillionError when the scraper cannot start.
    """
    memory.share_heap()
    handler = messages.install(level=flags.log_level, style=flags.log_format)
    try:
        return asyncio.run(Application(configuration, flags, environment, reload).run())
    finally:
        messages.uninstall(handler)
