"""What the node writes down about each pod, so that a new process can go on after `kill -9`."""

from __future__ import annotations

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
_FRESH = "pod.json.new"


def save(state: StateDir, uid: str, saved: SavedPod) -> None:
    """Replace what is on disk. Without fsync: after a power cut nothing of the pod runs anyway.

    The old file goes before the new one gets its name: renaming over it would make ext4 write to the disk at once
    (auto_da_alloc), a millisecond in which the loop stands still. A process that dies in between leaves the new file.
    """
    folder = Path(state.pod(uid))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / _FRESH
    fresh.write_bytes(_encoder.encode(saved))
    (folder / _FILE).unlink(missing_ok=True)
    fresh.rename(folder / _FILE)


def load_all(state: StateDir) -> dict[str, SavedPod]:
    """Every pod an earlier process wrote down, by UID. A folder without a readable file is no pod."""
    found: dict[str, SavedPod] = {}
    folder = Path(state.pods)
    if not folder.is_dir():
        return found
    for entry in folder.iterdir():
        for name in (_FILE, _FRESH):
            try:
                found[entry.name] = _decoder.decode((entry / name).read_bytes())
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError, msgspec.DecodeError):
                continue
            break
    return found


def forget(state: StateDir, saved: core_v1.Pod) -> None:
    """Remove the pod's folder and its logs: the object is gone. Volumes must be unmounted."""
    meta = saved.metadata
    assert meta is not None
    uid = meta.uid or ""
    shutil.rmtree(Path(state.pod(uid)), ignore_errors=True)
    shutil.rmtree(Path(state.pod_logs(meta.namespace or "", meta.name or "", uid)), ignore_errors=True)
