"""What was loaded: images by ID, and the names that point at them. One JSON file, replaced as a whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pillion.containers.images.imagearchive import ConfigSection
from pillion.errors import Bug

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = 1


class StoredImage(msgspec.Struct, frozen=True, kw_only=True):
    image_id: str
    """`sha256:…`, the digest of its configuration."""
    names: tuple[str, ...]
    """Full references with a tag."""
    manifest_digest: str | None = None
    layers: tuple[str, ...]
    """Diff IDs, lowest first."""
    size_bytes: int
    config: ConfigSection = ConfigSection()
    created: str | None = None


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    format: int = _FORMAT
    images: tuple[StoredImage, ...] = ()

    def with_image(self, image: StoredImage) -> Catalogue:
        """Add it; its names move to it from whoever had them. An image keeps the names it had."""
        names = set(image.names)
        others = []
        for old in self.images:
            if old.image_id == image.image_id:
                image = msgspec.structs.replace(image, names=tuple(dict.fromkeys((*old.names, *image.names))))
            else:
                kept = tuple(name for name in old.names if name not in names)
                others.append(msgspec.structs.replace(old, names=kept))
        return msgspec.structs.replace(self, images=(*others, image))

    def without_image(self, image_id: str) -> Catalogue:
        kept = tuple(image for image in self.images if image.image_id != image_id)
        return msgspec.structs.replace(self, images=kept)

    def without_name(self, name: str) -> Catalogue:
        images = tuple(
            msgspec.structs.replace(image, names=tuple(other for other in image.names if other != name))
            for image in self.images
        )
        return msgspec.structs.replace(self, images=images)


def load_catalogue(path: Path) -> Catalogue:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Catalogue()
    try:
        catalogue = msgspec.json.decode(content, type=Catalogue)
    except msgspec.DecodeError as error:
        raise Bug(f"cannot read {path}: {error}") from error
    if catalogue.format != _FORMAT:
        raise Bug(
            f"cannot read {path}: it was written by another version of pillion (format {catalogue.format})"
        )
    return catalogue


def save_catalogue(catalogue: Catalogue, path: Path) -> None:
    """Readers see the old one or the new one. The caller holds the store's lock."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(catalogue)))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
