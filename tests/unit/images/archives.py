"""Builders of image archives, for the tests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import zstandard

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


def entry(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """One tar entry: a file unless `type` says otherwise, owned by whoever runs the test."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.uid, member.gid = os.geteuid(), os.getegid()
    member.mode = 0o755 if fields.get("type") == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(member, field, value)
    return member, content


def folder(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, **fields)


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def tar_of(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config_of(layers: Sequence[bytes], **config: Any) -> bytes:
    return json.dumps(
        {
            "architecture": ARCHITECTURE,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
    ).encode()


def docker_archive(
    layers: Sequence[bytes], *, tags: Sequence[str] | None = ("app:v1",), config: bytes | None = None
) -> bytes:
    """As `docker save` writes it."""
    raw = config_of(layers) if config is None else config
    name = hashlib.sha256(raw).hexdigest()
    files = {f"{name}.json": raw}
    for i, layer in enumerate(layers):
        files[f"{i}/layer.tar"] = layer
    manifest = [
        {"Config": f"{name}.json", "RepoTags": tags, "Layers": [f"{i}/layer.tar" for i in range(len(layers))]}
    ]
    files["manifest.json"] = json.dumps(manifest).encode()
    return tar_of(*(entry(name, content) for name, content in files.items()))


def oci_files(
    layers: Sequence[bytes],
    *,
    compress: Callable[[bytes], bytes] = gzip.compress,
    config: bytes | None = None,
    annotations: dict[str, str] | None = None,
) -> dict[str, bytes]:
    """The members of an OCI layout with one image."""
    raw = config_of(layers) if config is None else config
    stored = [compress(layer) for layer in layers]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {"mediaType": "c", "digest": digest(raw), "size": len(raw)},
            "layers": [{"mediaType": "l", "digest": digest(blob), "size": len(blob)} for blob in stored],
        }
    ).encode()
    names = {"io.containerd.image.name": "docker.io/library/app:v1"} if annotations is None else annotations
    descriptor = {"mediaType": "m", "digest": digest(manifest), "size": len(manifest), "annotations": names}
    files = {"oci-layout": b"{}", "index.json": json.dumps({"manifests": [descriptor]}).encode()}
    for blob in (raw, manifest, *stored):
        files[f"blobs/sha256/{digest(blob)[7:]}"] = blob
    return files


def tar_of_files(files: dict[str, bytes]) -> bytes:
    return tar_of(*(entry(name, content) for name, content in files.items()))


def write_folder(files: dict[str, bytes], root: Path) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root
