"""Where the collector keeps what outlives it: checkpoints, dead letters, chunks on disk.

Below `storage.path`, when the configuration names one. Otherwise in a folder of this configuration's own, the first of
these that can be written to:

    $PILLION_COLLECTOR_STATE, /var/lib/pillion-collector, $XDG_STATE_HOME/pillion-collector,
    ~/.local/state/pillion-collector

In a container the last three end with the container: to outlive it takes a volume, and `storage.path` or tail's `db` on
it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from pillion.collector.configuration import Configuration
from pillion.errors import HostError

VARIABLE = "PILLION_COLLECTOR_STATE"


class Folders(msgspec.Struct, frozen=True, kw_only=True):
    checkpoints: Path | None = None
    """None: nowhere can be written to."""
    rejected: Path | None = None
    chunks: Path | None = None
    """None without `storage.path`."""


@contextlib.contextmanager
def open_folders(configuration: Configuration, environment: Mapping[str, str]) -> Iterator[Folders]:
    """Held for one collector: a second one with the same configuration gets no checkpoints of its own by default.

    Raises HostError when `storage.path` cannot be used.
    """
    service = configuration.service
    if service.storage_path:
        storage = Path(service.storage_path)
        try:
            storage.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise HostError(f"cannot use storage.path {storage}: {error.strerror}") from error
        with _locked(storage / "checkpoints") as checkpoints:
            yield Folders(
                checkpoints=checkpoints,
                rejected=storage / service.storage_rejected_path,
                chunks=storage / "chunks",
            )
        return
    for candidate in _candidates(environment):
        with _locked(candidate / _name(configuration)) as folder:
            if folder is not None:
                yield Folders(checkpoints=folder, rejected=folder / "rejected")
                return
    yield Folders()


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if named := environment.get(VARIABLE):
        yield Path(named)
        return
    yield Path("/var/lib/pillion-collector")
    if state := environment.get("XDG_STATE_HOME"):
        yield Path(state) / "pillion-collector"
    if home := environment.get("HOME"):
        yield Path(home) / ".local/state/pillion-collector"


def _name(configuration: Configuration) -> str:
    """Of this configuration: the same after a restart, another for another file."""
    if configuration.file:
        about = str(Path(configuration.file).absolute())
    else:
        inputs = [(each.plugin, each.settings) for each in configuration.inputs]
        outputs = [(each.plugin, each.settings) for each in configuration.outputs]
        about = repr((inputs, outputs))
    return hashlib.sha256(about.encode()).hexdigest()[:16]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Path | None]:
    """The folder, made and held; None when it cannot be written to or is held by somebody else."""
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        yield folder
