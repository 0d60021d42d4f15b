"""`--image NAME=SOURCE`: where the user says that an image comes from.

SOURCE is `host` (the host's filesystem as it is), a folder or file with a host image description
(`pillion-image.yaml`), an image archive (`docker save`, or an OCI layout as a tar file or folder), or the name of a
loaded image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.containers.images.hostimage import DESCRIPTION
from pillion.containers.images.reference import InvalidReferenceError, Reference, parse_reference
from pillion.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".oci")


class HostSource(msgspec.Struct, frozen=True, tag=True):
    """The host's filesystem; the Pod says what to run."""


class DescribedSource(msgspec.Struct, frozen=True, tag=True):
    """A host image description."""

    path: str


class ArchiveSource(msgspec.Struct, frozen=True, tag=True):
    """An image archive: a file, or the folder of an OCI layout."""

    path: str


class LoadedSource(msgspec.Struct, frozen=True, tag=True):
    """An image that was loaded before."""

    reference: Reference


Source = HostSource | DescribedSource | ArchiveSource | LoadedSource


class ImageSources(msgspec.Struct, frozen=True, kw_only=True):
    """What an ImageStore may draw on besides loaded images."""

    explicit: tuple[tuple[Reference, Source], ...] = ()
    """In the order given; the last that covers a name counts."""
    stand_ins: bool = True

    def find(self, asked: Reference) -> Source | None:
        return next((source for name, source in reversed(self.explicit) if name.covers(asked)), None)


def parse_sources(options: Sequence[str], *, folder: Path, stand_ins: bool = True) -> ImageSources:
    """Read `NAME=SOURCE` options; relative paths start at `folder`. Raises ManifestError."""
    return ImageSources(
        explicit=tuple(_parse_option(option, folder) for option in options), stand_ins=stand_ins
    )


def _parse_option(option: str, folder: Path) -> tuple[Reference, Source]:
    name, equals, source = option.partition("=")
    if not equals or not name or not source:
        raise ManifestError(
            f"cannot read --image {option}: expected NAME=SOURCE, for example agent=./my-agent or agent=host"
        )
    try:
        reference = parse_reference(name)
    except InvalidReferenceError as error:
        raise ManifestError(
            f"cannot read --image {option}: `{name}` is not an image name: {error}"
        ) from error
    return reference, _parse_source(option, source, folder)


def _parse_source(option: str, source: str, folder: Path) -> Source:
    if source == "host":
        return HostSource()
    path = folder / source
    if path.is_dir():
        return _parse_folder(option, path)
    if path.is_file():
        is_description = path.suffix in (".yaml", ".yml")
        return DescribedSource(str(path)) if is_description else ArchiveSource(str(path))
    looks_like_path = source.startswith((".", "/", "~")) or source.endswith((*_ARCHIVE_SUFFIXES, ".yaml"))
    if looks_like_path:
        raise ManifestError(f"cannot read --image {option}: there is no file or folder {path}")
    try:
        return LoadedSource(parse_reference(source))
    except InvalidReferenceError as error:
        raise ManifestError(
            f"cannot read --image {option}: `{source}` is neither a file, a folder, `host` nor an image name"
        ) from error


def _parse_folder(option: str, path: Path) -> Source:
    if (path / DESCRIPTION).is_file():
        return DescribedSource(str(path / DESCRIPTION))
    if (path / "oci-layout").is_file():
        return ArchiveSource(str(path))
    raise ManifestError(
        f"cannot read --image {option}: {path} holds neither {DESCRIPTION} nor an OCI layout (a file `oci-layout`)"
    )
