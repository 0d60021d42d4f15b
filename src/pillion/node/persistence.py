"""What the node writes down about each pod, so that a new process can go on after `kill -9`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from pillion.lifecycle import Deletion, Eviction, PodRecord
from pillion.objects.models import core_v1
from pillion.statedir import StateDir


class SavedPod(msgspec.Struct, frozen=True, kw_only=True):
    """One pod as it was last known."""

    pod: core_v1.Pod
    record: PodRecord
    deletion: Deletion | None = None
    eviction: Eviction | None = None
    ips: tuple[str, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SavedPod)
_FILE = "pod.json"


def save(state: StateDir, uid: str, saved: SavedPod) -> None:
    """Replace what is on disk. Without fsync: after a power cut nothing of the pod runs anyway."""
    folder = Path(state.pod(uid))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"{_FILE}.new"
    fresh.write_bytes(_encoder.encode(saved))
    os.replace(fresh, folder / _FILE)  # noqa: PTH105 - the one atomic step, by its POSIX name


def load_all(state: StateDir) -> dict[str, SavedPod]:
    """Every pod an earlier process wrote down, by UID. A folder without a readable file is no pod."""
    found: dict[str, SavedPod] = {}
    folder = Path(state.pods)
    if not folder.is_dir():
        return found
    for entry in folder.iterdir():
        try:
            found[entry.name] = _decoder.decode((entry / _FILE).read_bytes())
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            continue
    return found


def forget(state: StateDir, saved: core_v1.Pod) -> None:
    """Remove the pod's folder and its logs: the object is gone. Volumes must be unmounted."""
    meta = saved.metadata
    assert meta is not None
    uid = meta.uid or ""
    shutil.rmtree(Path(state.pod(uid)), ignore_errors=True)
    shutil.rmtree(Path(state.pod_logs(meta.namespace or "", meta.name or "", uid)), ignore_errors=True)
