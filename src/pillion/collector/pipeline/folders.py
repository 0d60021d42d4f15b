"""Where the collector keeps what outlives it: checkpoints, dead letters, chunks on disk.

Below `storage.path`, when the configuration names one. Otherwise in a folder of this configuration's own, the first of
these that can be written to:

    $PILLION_COLLECTOR_STATE, /var/lib/pillion-collector, $XDG_STATE_HOME/pillion-collector,
    ~/.local/state/pillion-collector

A container's own file system ends with the container, and a sidecar that crashed is a new container. There, what lies
on a volume goes first: those folders if a volume is mounted there, then `.pillion-collector` in the folders that are
tailed, which as a rule are on the volume that the agent shares. What is left ends with the container, and that is said.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from pillion.collector.configuration import Configuration
from pillion.collector.inputs.tail.settings import TailSettings
from pillion.errors import HostError

VARIABLE = "PILLION_COLLECTOR_STATE"
ON_LOG_VOLUME = ".pillion-collector"
"""Hidden: globs pass it over."""
_CONTAINER_ROOTS = frozenset({"overlay", "fuse-overlayfs", "aufs", "9p"})
"""Types of file systems that container runtimes make for one container (9p: gVisor)."""


class Folders(msgspec.Struct, frozen=True, kw_only=True):
    checkpoints: Path | None = None
    """None: nowhere can be written to."""
    rejected: Path | None = None
    chunks: Path | None = None
    """None without `storage.path`."""
    end_with_container: bool = False
    """Nothing of this is on a volume: the next container begins without it."""


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
    root = _container_root()
    for candidate in candidates(configuration, environment, root):
        with _locked(candidate / _name(configuration)) as folder:
            if folder is not None:
                yield Folders(
                    checkpoints=folder,
                    rejected=folder / "rejected",
                    end_with_container=root is not None and not _is_on_volume(folder, root),
                )
                return
    yield Folders()


def candidates(
    configuration: Configuration, environment: Mapping[str, str], root: int | None
) -> Iterator[Path]:
    """The folders to try, best first. `root` is the device of a container's own file system, None on a machine."""
    if named := environment.get(VARIABLE):
        yield Path(named)
        return
    usual = [Path("/var/lib/pillion-collector")]
    if state := environment.get("XDG_STATE_HOME"):
        usual.append(Path(state) / "pillion-collector")
    if home := environment.get("HOME"):
        usual.append(Path(home) / ".local/state/pillion-collector")
    if root is not None:
        lasting = [folder for folder in usual if _is_on_volume(folder, root)]
        yield from lasting
        yield from (
            folder / ON_LOG_VOLUME for folder in _tailed_folders(configuration) if _is_on_volume(folder, root)
        )
        usual = [folder for folder in usual if folder not in lasting]
    yield from usual


def tails_without_db(configuration: Configuration) -> list[TailSettings]:
    """The inputs that keep their checkpoints in the collector's folder."""
    tails = [section.settings for section in configuration.inputs if section.plugin == "tail"]
    return [settings for settings in tails if isinstance(settings, TailSettings) and not settings.db]


def _tailed_folders(configuration: Configuration) -> Iterator[Path]:
    """What stands before the first wildcard of each path, as far as it exists."""
    for settings in tails_without_db(configuration):
        for pattern in settings.path:
            folder = Path(re.split(r"[*?\[]", pattern, maxsplit=1)[0] + "x").parent
            yield next(each for each in (folder, *folder.parents) if each.is_dir())


def _container_root() -> int | None:
    """The device of the root, if that is a container's own; None on a machine."""
    try:
        mounts = [
            line.split() for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
        ]
        types = [fields[fields.index("-") + 1] for fields in mounts if fields[4] == "/"]
        return Path("/").stat().st_dev if types and types[-1] in _CONTAINER_ROOTS else None
    except OSError:
        return None


def _is_on_volume(folder: Path, root: int) -> bool:
    """`folder`, or what exists above it, is on another file system than the container's."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return existing.stat().st_dev != root


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
