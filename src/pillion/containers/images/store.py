"""The image store: answers "what does this image run, and on which root?" for the node, without a registry.

A name is looked for in this order: the user's `--image NAME=SOURCE`, loaded images, stand-ins. Nothing is pulled.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import msgspec

from pillion.containers.images.failure import ImageError, PullFailure
from pillion.containers.images.hostimage import HostImage, host_config, load_description
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
from pillion.errors import ManifestError
from pillion.plan.containerspec import ImageConfig
from pillion.statedir import StateDir


class PullPolicy(StrEnum):
    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    config: ImageConfig
    was_present: bool
    """False where the kubelet would have reported Pulling and Pulled."""


class ImageStore:
    """All images that this machine can run. Safe to use from several processes at once."""

    def __init__(self, state: StateDir, sources: ImageSources) -> None:
        self._state = state
        self._sources = sources

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

    def _resolve(self, image: str, asked: Reference, policy: PullPolicy) -> Resolved:
        source = self._sources.find(asked)
        config = self._from_source(asked, source) if source is not None else None
        if config is None and self._sources.stand_ins:
            config = stand_in(asked)
        if config is None:
            raise _unknown(image, policy)
        # With Always the kubelet asks for a pull even when the image is there.
        return Resolved(config=config, was_present=policy is not PullPolicy.ALWAYS)

    def _from_source(self, asked: Reference, source: Source) -> ImageConfig:
        match source:
            case HostSource():
                return host_config(HostImage(), reference=str(asked))
            case DescribedSource(path):
                try:
                    description = load_description(Path(path))
                except ManifestError as error:
                    raise ImageError(PullFailure.INSPECT, str(error)) from error
                return host_config(description, reference=str(asked))
            case ArchiveSource() | LoadedSource():
                raise ImageError(PullFailure.PULL, "archives are not supported yet")
            case _:
                assert_never(source)


def _unknown(image: str, policy: PullPolicy) -> ImageError:
    if policy is PullPolicy.NEVER:
        return ImageError(
            PullFailure.NEVER_PULL, f'Container image "{image}" is not present with pull policy of Never'
        )
    return ImageError(
        PullFailure.PULL,
        f"no image {image} on this machine, and pillion does not pull from registries: "
        f"run `pillion image load FILE`, or name a source: `pillion run … --image {image}=SOURCE`",
    )
