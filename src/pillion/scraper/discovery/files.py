"""file_sd_configs: files with target groups, read again when they change (discovery/file, file.go)."""

from __future__ import annotations

import asyncio
import glob
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pillion.scraper.configuration import ConfigurationError, read_target_groups
from pillion.scraper.discovery.meta import with_meta
from pillion.scraper.labels import as_text

if TYPE_CHECKING:
    from pillion.scraper.configuration import FileSdConfig, TargetGroup
    from pillion.scraper.discovery.counters import DiscoveryCounters
    from pillion.scraper.discovery.discovery import Publish

LOOK_SECONDS = 5.0
"""Between looks at the dates of files. Prometheus watches folders, and gathers for as long what it sees. A mounted
ConfigMap changes by a link to another folder, which a watch on a file does not see and a look does."""

_State = tuple[int, int, int]


class FileDiscovery:
    mechanism = "file"

    def __init__(self, config: FileSdConfig, counters: DiscoveryCounters, log: logging.Logger) -> None:
        self._config = config
        self._counters = counters
        self._log = log
        self._groups: dict[str, tuple[TargetGroup, ...]] = {}
        self._states: dict[str, _State | None] = {}

    def first(self) -> tuple[TargetGroup, ...]:
        """What there is at the start."""
        return self.refresh() or ()

    async def run(self, publish: Publish) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self._config.refresh_interval / 1000))
            groups = self.refresh()
            if groups is not None:
                publish(groups)

    def refresh(self) -> tuple[TargetGroup, ...] | None:
        """All groups; None when nothing has changed. A file that cannot be read keeps the groups it had; one that is
        gone has none."""
        files = sorted({file for pattern in self._config.files for file in glob.glob(pattern)})  # noqa: PTH207
        has_changed = False
        for file in self._states.keys() - set(files):
            del self._states[file]
            self._counters.file_times.pop(file, None)
            has_changed = self._groups.pop(file, None) is not None or has_changed
        for file in files:
            state = _state(file)
            if file in self._states and state is not None and self._states[file] == state:
                continue
            self._states[file] = state
            has_changed = self._read(file) or has_changed
        if not has_changed:
            return None
        return tuple(group for file in files for group in self._groups.get(file, ()))

    def _read(self, file: str) -> bool:
        try:
            groups = read_target_groups(Path(file).read_bytes(), file)
        except (OSError, ConfigurationError) as error:
            cause = f"{file}: {error.strerror}" if isinstance(error, OSError) else str(error)
            self._log.error("cannot read target groups: %s; those before stay", "; ".join(cause.splitlines()))
            self._counters.file_read_errors += 1
            return False
        state = self._states[file]
        self._counters.file_times[file] = state[2] // 1_000_000_000 if state is not None else 0
        new = with_meta(groups, "__meta_filepath", as_text(file))
        has_changed = self._groups.get(file) != new
        self._groups[file] = new
        return has_changed


def _state(file: str) -> _State | None:
    """None: it cannot be looked at, so it is read, which says why."""
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
