"""The image store: answers "what does this image run, and on which root?" for the node, without a registry.

A name is looked for in this order: the user's `--image NAME=SOURCE`, loaded images, stand-ins. Nothing is pulled.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec

from pillion.containers.images.accounts import read_groups, read_passwd
from pillion.containers.images.archivefile import open_archive
from pillion.containers.images.catalogue import Catalogue, StoredImage, load_catalogue, save_catalogue
from pillion.containers.images.failure import ArchiveError, ImageError, PullFailure
from pillion.containers.images.hostimage import HostImage, host_config, load_description
from pillion.containers.images.imagearchive import ArchivedImage, ConfigSection, find_images
from pillion.containers.images.layerstore import LayerStore
from pillion.containers.images.reference import InvalidReferenceError, Reference, parse_reference
from pillion.containers.images.sources import (
    ArchiveSource,
    DescribedSource,
    HostSource,
    ImageSources,
    LoadedSource,
    Source,
)
from pillion.containers.images.standins import stand_in
from pillion.errors import HostError, ManifestError
from pillion.plan.containerspec import ImageConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pillion.containers.images.archivefile import Archive
    from pillion.statedir import StateDir

_SHORTEST_ID = 4
"""Hex digits that may name an image, if they are enough to tell it from the others."""


class PullPolicy(StrEnum):
    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    config: ImageConfig
    was_present: bool
    """False where the kubelet would have reported Pulling and Pulled."""


class LoadedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image in the store, for people."""

    image_id: str
    names: tuple[str, ...]
    """Empty when another image has taken its last name."""
    size_bytes: int
    created: str | None = None
    """RFC 3339, as its builder wrote it."""


class ImageStore:
    """All images that this machine can run. Safe to use from several processes at once.

    Loading and removing happen under a lock file. Looking up does without: the catalogue is replaced as a whole, and
    a layer's folder is complete as soon as it exists.
    """

    def __init__(self, state: StateDir, sources: ImageSources) -> None:
        self._root = Path(state.images)
        self._layers = LayerStore(self._root)
        self._sources = sources
        self._loaded_from: dict[tuple[str, int, int, int], tuple[StoredImage, ...]] = {}

    async def ensure(self, image: str, policy: PullPolicy) -> Resolved:
        """Find the image and make its root available. Raises ImageError."""
        try:
            asked = parse_reference(image)
        except InvalidReferenceError as error:
            raise ImageError(
                PullFailure.INVALID_NAME,
                f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {error}',
            ) from error
        return await asyncio.to_thread(self._resolve, image, asked, policy)

    async def load(self, path: Path) -> list[LoadedImage]:
        """Load every image of an archive. Raises ArchiveError (which names the file), HostError."""
        images = await asyncio.to_thread(self._load, path, None)
        return [_shown(image) for image in images]

    def ls(self) -> list[LoadedImage]:
        images = [_shown(image) for image in load_catalogue(self._catalogue).images]
        return sorted(images, key=lambda image: (not image.names, image.names, image.image_id))

    async def rm(self, ref: str, *, in_use: frozenset[str] = frozenset()) -> LoadedImage:
        """Remove a name, and the image with its last name; an ID (or its beginning) removes the image.

        Refused (HostError) while a container runs on it: as far as `in_use` (image IDs) and the machine's mounts tell.
        """
        return await asyncio.to_thread(self._rm, ref, in_use)

    @property
    def _catalogue(self) -> Path:
        return self._root / "catalogue.json"

    @contextmanager
    def _locked(self) -> Iterator[Path]:
        """Hold the store; yields a folder for temporary files."""
        try:
            self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
            fd = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HostError(f"cannot use {self._root}: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield self._layers.prepare()
        finally:
            os.close(fd)

    def _resolve(self, image: str, asked: Reference, policy: PullPolicy) -> Resolved:
        config, is_new = self._find(image, asked)
        if config is None:
            raise _unknown(image, policy)
        # With Always the kubelet asks for a pull even when the image is there.
        return Resolved(config=config, was_present=policy is not PullPolicy.ALWAYS and not is_new)

    def _find(self, image: str, asked: Reference) -> tuple[ImageConfig | None, bool]:
        source = self._sources.find(asked)
        if source is not None:
            return self._from_source(image, asked, source)
        stored = _stored_image(load_catalogue(self._catalogue), asked)
        if stored is not None:
            return self._config(stored, asked), False
        return (stand_in(asked) if self._sources.stand_ins else None), False

    def _from_source(self, image: str, asked: Reference, source: Source) -> tuple[ImageConfig, bool]:
        match source:
            case HostSource():
                return host_config(HostImage(), reference=str(asked)), False
            case DescribedSource(path):
                try:
                    description = load_description(Path(path))
                except ManifestError as error:
                    raise ImageError(PullFailure.INSPECT, str(error)) from error
                return host_config(description, reference=str(asked)), False
            case LoadedSource(reference):
                stored = _stored_image(load_catalogue(self._catalogue), reference)
                if stored is None:
                    raise ImageError(
                        PullFailure.PULL,
                        f"--image {image}={reference}: no such file, folder or loaded image: `pillion image ls` "
                        f"shows the loaded ones, `pillion image load FILE` loads one",
                    )
                return self._config(stored, asked), False
            case ArchiveSource(path):
                return self._from_archive(image, asked, Path(path))
            case _:
                assert_never(source)

    def _from_archive(self, image: str, asked: Reference, path: Path) -> tuple[ImageConfig, bool]:
        key = _identity(path)
        images = self._loaded_from.get(key)
        is_new = images is None
        if images is None:
            try:
                images = self._load(path, asked)
            except ImageError:
                raise
            except HostError as error:
                raise ImageError(PullFailure.PULL, f"--image {image}={path}: {error}") from error
            self._loaded_from[key] = images
        named = [stored for stored in images if str(asked) in stored.names] or list(images)
        if len(named) > 1:
            names = ", ".join(name for stored in images for name in stored.names)
            raise ImageError(
                PullFailure.PULL,
                f"--image {image}={path}: the archive holds several images ({names}): run "
                f"`pillion image load {path}`, then name the one you mean: --image {image}=NAME",
            )
        return self._config(named[0], asked), is_new

    def _load(self, path: Path, fallback: Reference | None) -> tuple[StoredImage, ...]:
        """`fallback` becomes the name of an image that the archive gives none."""
        with self._locked() as temporary, open_archive(path, temporary) as archive:
            catalogue = load_catalogue(self._catalogue)
            try:
                found = find_images(archive)
                stored = [self._store(archive, image, fallback) for image in found]
            except ArchiveError as error:
                raise ArchiveError(f"cannot load {path}: {error}") from error
            for image in stored:
                catalogue = catalogue.with_image(image)
            # A crash up to here leaves layers that nobody refers to; the next load of them takes them over.
            save_catalogue(catalogue, self._catalogue)
            return tuple(stored)

    def _store(self, archive: Archive, image: ArchivedImage, fallback: Reference | None) -> StoredImage:
        sizes = [self._layers.add(archive, layer) for layer in image.layers]
        names = image.names or ((str(fallback),) if fallback is not None and fallback.digest is None else ())
        return StoredImage(
            image_id=image.image_id,
            names=names,
            manifest_digest=image.manifest_digest,
            layers=tuple(layer.diff_id for layer in image.layers),
            size_bytes=sum(sizes),
            config=image.description.config or ConfigSection(),
            created=image.description.created,
        )

    def _config(self, stored: StoredImage, asked: Reference) -> ImageConfig:
        root_layers = tuple(str(self._layers.folder(diff_id)) for diff_id in reversed(stored.layers))
        missing = [layer for layer in root_layers if not Path(layer).is_dir()]
        if missing:
            raise ImageError(
                PullFailure.INSPECT,
                f'Failed to inspect image "{asked}": layer {missing[0]} is gone: load the image again',
            )
        config = stored.config
        env = (entry.partition("=") for entry in config.env or ())
        return ImageConfig(
            reference=str(asked),
            image_id=stored.image_id,
            root_layers=root_layers,
            size_bytes=stored.size_bytes,
            user=config.user or "",
            entrypoint=config.entrypoint or (),
            cmd=config.cmd or (),
            env=tuple((name, value) for name, _, value in env if name),
            working_dir=config.working_dir or "/",
            stop_signal=config.stop_signal or "SIGTERM",
            passwd=read_passwd(root_layers),
            groups=read_groups(root_layers),
        )

    def _rm(self, ref: str, in_use: frozenset[str]) -> LoadedImage:
        with self._locked():
            catalogue = load_catalogue(self._catalogue)
            image, name = _named(catalogue, ref)
            if name is not None and len(image.names) > 1:
                save_catalogue(catalogue.without_name(name), self._catalogue)
                return _shown(msgspec.structs.replace(image, names=(name,)))
            rest = catalogue.without_image(image.image_id)
            shared = {diff_id for other in rest.images for diff_id in other.layers}
            own = [diff_id for diff_id in image.layers if diff_id not in shared]
            mounted = self._layers.layers_in_use()
            if image.image_id in in_use or any(self._layers.folder(diff_id) in mounted for diff_id in own):
                raise HostError(f"cannot remove {ref}: a container runs on it; stop its pod first")
            save_catalogue(rest, self._catalogue)
            for diff_id in own:
                self._layers.remove(diff_id)
            return _shown(image)


def _identity(path: Path) -> tuple[str, int, int, int]:
    """Changes when the archive is written anew."""
    index = path / "index.json" if path.is_dir() else path
    try:
        seen = index.stat()
    except OSError as error:
        raise ImageError(PullFailure.PULL, f"cannot read {index}: {error.strerror}") from error
    return str(path), seen.st_ino, seen.st_size, seen.st_mtime_ns


def _stored_image(catalogue: Catalogue, asked: Reference) -> StoredImage | None:
    if asked.digest is not None:
        prefix = f"{asked.repository}:"
        return next(
            (
                image
                for image in catalogue.images
                if image.manifest_digest == asked.digest
                and any(name.startswith(prefix) for name in image.names)
            ),
            None,
        )
    return next((image for image in catalogue.images if str(asked) in image.names), None)


def _named(catalogue: Catalogue, ref: str) -> tuple[StoredImage, str | None]:
    """The image, and its name when `ref` is one. Raises HostError."""
    digits = ref.removeprefix("sha256:")
    try:
        name = str(parse_reference(ref))
    except InvalidReferenceError:
        name = ""
    for image in catalogue.images:
        if name in image.names:
            return image, name
    by_id = [image for image in catalogue.images if image.image_id.removeprefix("sha256:").startswith(digits)]
    if len(digits) >= _SHORTEST_ID and len(by_id) == 1:
        return by_id[0], None
    raise HostError(f"cannot remove {ref}: there is no such loaded image; `pillion image ls` shows them")


def _shown(image: StoredImage) -> LoadedImage:
    return LoadedImage(
        image_id=image.image_id, names=image.names, size_bytes=image.size_bytes, created=image.created
    )


def _unknown(image: str, policy: PullPolicy) -> ImageError:
    if policy is PullPolicy.NEVER:
        return ImageError(
            PullFailure.NEVER_PULL, f'Container image "{image}" is not present with pull policy of Never'
        )
    return ImageError(
        PullFailure.PULL,
        f"no image {image} on this machine, and pillion does not pull from registries: "
        f"run `pillion image load FILE`, or name a source: `pillion run|serve … --image {image}=SOURCE`",
    )
