"""One scraper: from a configuration to running targets; signals; reload; the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    `reload` reads the files again and raises PillionError when they cannot be used: the old configuration stays.
    """
    raise NotImplementedError((configuration, flags, environment, reload))
