"""The images in an archive: an OCI layout (image-spec, image-layout.md) or what `docker save` writes.

Every blob is checked against its digest while it is read; what comes out is the image's configuration and, for each
layer, a stream to unpack with the digest its content must have.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pillion.containers.images.failure import ArchiveError
from pillion.containers.images.reference import InvalidReferenceError, Reference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pillion.containers.images.archivefile import Archive

_MAX_JSON = 8 << 20
_MAX_DEPTH = 4
"""Of indexes within indexes."""
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_ATTESTATION = "vnd.docker.reference.type"

T = TypeVar("T")


class ConfigSection(msgspec.Struct, frozen=True, rename="pascal"):
    """`config` of an image configuration (image-spec, config.md). Docker writes null for what is empty."""

    user: str | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None
    working_dir: str | None = None
    stop_signal: str | None = None


class RootFs(msgspec.Struct, frozen=True):
    diff_ids: tuple[str, ...] | None = None


class ImageDescription(msgspec.Struct, frozen=True):
    """An image configuration: what to run, and the digests of the layers' content, lowest first."""

    rootfs: RootFs
    config: ConfigSection | None = None
    architecture: str = ""
    os: str = ""
    created: str | None = None


class LayerBlob(msgspec.Struct, frozen=True, kw_only=True):
    member: str
    digest: str | None
    """Of the bytes as stored; None in `docker save` files, which only know the content's digest."""
    diff_id: str


class ArchivedImage(msgspec.Struct, frozen=True, kw_only=True):
    image_id: str
    manifest_digest: str | None
    names: tuple[str, ...]
    description: ImageDescription
    layers: tuple[LayerBlob, ...]
    """Lowest first."""


class _Platform(msgspec.Struct, frozen=True):
    architecture: str = ""
    os: str = ""


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    digest: str
    size: int
    media_type: str = ""
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None


class _Index(msgspec.Struct, frozen=True):
    manifests: tuple[_Descriptor, ...]


class _Manifest(msgspec.Struct, frozen=True):
    config: _Descriptor
    layers: tuple[_Descriptor, ...]


class _DockerImage(msgspec.Struct, frozen=True, rename="pascal"):
    config: str
    layers: tuple[str, ...]
    repo_tags: tuple[str, ...] | None = None


def find_images(archive: Archive) -> list[ArchivedImage]:
    """All images for this machine. Raises ArchiveError."""
    if "index.json" in archive:
        return _oci_images(archive)
    if "manifest.json" in archive:
        return _docker_images(archive)
    if "repositories" in archive:
        raise ArchiveError(
            "the archive was written by a Docker older than 1.10: save it again with a newer one"
        )
    raise ArchiveError(
        "not an image archive: it holds neither index.json (OCI layout) nor manifest.json (docker save)"
    )


def _oci_images(archive: Archive) -> list[ArchivedImage]:
    index = _decode(archive.read("index.json", max_bytes=_MAX_JSON), _Index, "index.json")
    docker_names = _docker_names(archive)
    images: dict[str, ArchivedImage] = {}
    refused: list[str] = []
    for descriptor in index.manifests:
        for leaf in _leaves(archive, descriptor, depth=0):
            if not _fits(leaf.platform):
                refused.append(_platform_name(leaf.platform))
                continue
            image = _oci_image(archive, leaf, _names(descriptor))
            if not _fits(_Platform(image.description.architecture, image.description.os)):
                refused.append(f"{image.description.os}/{image.description.architecture}")
                continue
            known = images.get(image.image_id)
            names = (known.names if known else docker_names.get(image.image_id, ())) + image.names
            images[image.image_id] = msgspec.structs.replace(image, names=tuple(dict.fromkeys(names)))
            break
    if not images:
        for_others = f", only for {', '.join(sorted(set(refused)))}" if refused else ""
        raise ArchiveError(f"the archive holds no image for linux/{_architecture()}{for_others}")
    return list(images.values())


def _leaves(archive: Archive, descriptor: _Descriptor, *, depth: int) -> Iterator[_Descriptor]:
    """The image manifests below a descriptor, in order; attestations are not images."""
    if _ATTESTATION in (descriptor.annotations or {}):
        return
    if descriptor.media_type not in _INDEX_TYPES:
        yield descriptor
        return
    if depth == _MAX_DEPTH:
        raise ArchiveError("indexes are nested too deeply")
    for inner in _decode(_read_blob(archive, descriptor), _Index, descriptor.digest).manifests:
        yield from _leaves(archive, inner, depth=depth + 1)


def _oci_image(archive: Archive, leaf: _Descriptor, names: tuple[str, ...]) -> ArchivedImage:
    manifest = _decode(_read_blob(archive, leaf), _Manifest, leaf.digest)
    description = _decode(_read_blob(archive, manifest.config), ImageDescription, manifest.config.digest)
    diff_ids = description.rootfs.diff_ids or ()
    if len(diff_ids) != len(manifest.layers):
        raise ArchiveError(
            f"image manifest {leaf.digest} has {len(manifest.layers)} layers, its configuration {len(diff_ids)}"
        )
    return ArchivedImage(
        image_id=manifest.config.digest,
        manifest_digest=leaf.digest,
        names=names,
        description=description,
        layers=tuple(
            LayerBlob(member=_blob_path(layer.digest), digest=layer.digest, diff_id=_checked(diff_id))
            for layer, diff_id in zip(manifest.layers, diff_ids, strict=True)
        ),
    )


def _docker_images(archive: Archive) -> list[ArchivedImage]:
    entries = _decode(
        archive.read("manifest.json", max_bytes=_MAX_JSON), tuple[_DockerImage, ...], "manifest.json"
    )
    old_tags = _repositories(archive)
    images = []
    for entry in entries:
        raw = archive.read(entry.config, max_bytes=_MAX_JSON)
        hexdigest = hashlib.sha256(raw).hexdigest()
        _check_config_name(entry.config, hexdigest)
        description = _decode(raw, ImageDescription, entry.config)
        platform = _Platform(description.architecture, description.os)
        if not _fits(platform):
            raise ArchiveError(
                f"the image is for {_platform_name(platform)}; this machine is linux/{_architecture()}"
            )
        diff_ids = description.rootfs.diff_ids or ()
        if len(diff_ids) != len(entry.layers):
            raise ArchiveError(
                f"manifest.json lists {len(entry.layers)} layers, the configuration {len(diff_ids)}"
            )
        top = entry.layers[-1].removesuffix("/layer.tar") if entry.layers else ""
        names = entry.repo_tags or old_tags.get(top, ())
        images.append(
            ArchivedImage(
                image_id=f"sha256:{hexdigest}",
                manifest_digest=None,
                names=tuple(name for name in map(_full_name, names) if name),
                description=description,
                layers=tuple(
                    LayerBlob(member=member, digest=None, diff_id=_checked(diff_id))
                    for member, diff_id in zip(entry.layers, diff_ids, strict=True)
                ),
            )
        )
    if not images:
        raise ArchiveError("the archive holds no image: its manifest.json is empty")
    return images


def _docker_names(archive: Archive) -> dict[str, tuple[str, ...]]:
    """Docker 25 and later write both formats; the full names are in manifest.json."""
    if "manifest.json" not in archive:
        return {}
    entries = _decode(
        archive.read("manifest.json", max_bytes=_MAX_JSON), tuple[_DockerImage, ...], "manifest.json"
    )
    return {
        f"sha256:{entry.config.rpartition('/')[2].removesuffix('.json')}": tuple(
            name for name in map(_full_name, entry.repo_tags or ()) if name
        )
        for entry in entries
    }


def _repositories(archive: Archive) -> dict[str, tuple[str, ...]]:
    """Top layer → names, from the file that older Dockers wrote."""
    if "repositories" not in archive:
        return {}
    content = archive.read("repositories", max_bytes=_MAX_JSON)
    found: dict[str, tuple[str, ...]] = {}
    for repository, tags in _decode(content, dict[str, dict[str, str]], "repositories").items():
        for tag, layer in tags.items():
            found[layer] = (*found.get(layer, ()), f"{repository}:{tag}")
    return found


def _check_config_name(member: str, hexdigest: str) -> None:
    """`docker save` names the configuration by its digest; other writers may not."""
    stem = member.rpartition("/")[2].removesuffix(".json")
    is_digest = len(stem) == len(hexdigest) and all(char in "0123456789abcdef" for char in stem)
    if is_digest and stem != hexdigest:
        raise ArchiveError(f"{member} does not match its digest: it has sha256:{hexdigest}")


def _names(descriptor: _Descriptor) -> tuple[str, ...]:
    annotations = descriptor.annotations or {}
    names = (_full_name(annotations.get(key, "")) for key in _NAME_ANNOTATIONS)
    return tuple(dict.fromkeys(name for name in names if name))


def _full_name(text: str) -> str | None:
    """`org.opencontainers.image.ref.name` may be a bare tag (`latest`): that names no image."""
    if ":" not in text and "/" not in text:
        return None
    try:
        reference = parse_reference(text)
    except InvalidReferenceError:
        return None
    return str(Reference(repository=reference.repository, tag=reference.tag))


def _architecture() -> str:
    machine = os.uname().machine
    return _MACHINES.get(machine, machine)


def _fits(platform: _Platform | None) -> bool:
    """An unnamed platform is left to the configuration, and one that names nothing is believed."""
    if platform is None:
        return True
    return platform.os in ("", "linux") and platform.architecture in ("", _architecture())


def _platform_name(platform: _Platform | None) -> str:
    return f"{platform.os}/{platform.architecture}" if platform else "an unknown platform"


def _read_blob(archive: Archive, descriptor: _Descriptor) -> bytes:
    content = archive.read(_blob_path(descriptor.digest), max_bytes=_MAX_JSON)
    actual = hashlib.new(descriptor.digest.partition(":")[0], content).hexdigest()
    if descriptor.digest.partition(":")[2] != actual:
        raise ArchiveError(f"blob {descriptor.digest} does not match its digest: it is damaged")
    return content


def _blob_path(digest: str) -> str:
    algorithm, _, value = _checked(digest).partition(":")
    return f"blobs/{algorithm}/{value}"


def _checked(digest: str) -> str:
    """Digests become file names and pick a hash function: only the two registered forms pass."""
    algorithm, _, value = digest.partition(":")
    length = {"sha256": 64, "sha512": 128}.get(algorithm)
    if length != len(value) or not all(char in "0123456789abcdef" for char in value):
        raise ArchiveError(f"`{digest[:150]}` is not a digest")
    return digest


def _decode(content: bytes, shape: Any, name: str) -> Any:
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{name} is not what it should be: {error}") from error
