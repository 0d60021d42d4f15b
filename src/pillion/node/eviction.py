"""Eviction of pods whose emptyDir outgrew its sizeLimit (eviction_manager.go: emptyDirLimitEviction)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from pillion.errors import HostError
from pillion.node.worker import PodWorker
from pillion.plan.volumes import mounted_volumes
from pillion.units import quantity_value
from pillion.volumes import Volumes

PERIOD = 10.0
"""Seconds between two looks at the disk (the eviction manager's monitoring interval)."""


async def watch_empty_dirs(workers: Callable[[], Iterable[PodWorker]], volumes: Volumes) -> None:
    """Look again and again. A pod without a limit costs nothing; `medium: Memory` limits itself."""
    while True:
        await asyncio.sleep(PERIOD)
        for worker in list(workers()):
            await _look(worker, volumes)


async def _look(worker: PodWorker, volumes: Volumes) -> None:
    if not worker.record.volumes.mounted:
        return
    for volume in mounted_volumes(worker.pod):
        source = volume.emptyDir
        if source is None or source.sizeLimit is None:
            continue
        limit = quantity_value(str(source.sizeLimit))
        try:
            used = await volumes.usage(worker.uid, volume.name)
        except (HostError, OSError):
            continue  # it is being set up or taken away
        if 0 < limit < used:
            worker.evict(f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{source.sizeLimit}". ')
            return
