"""From `proxy.yaml` and the certificates it names to what Envoy is told; what keeps an update from being used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pillion.errors import HostError, ManifestError
from pillion.proxy.certificates.faults import CertificateError
from pillion.proxy.certificates.material import Material
from pillion.proxy.configuration.values import Configuration, Ports
from pillion.proxy.xds import Snapshot, snapshot


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """Read, checked and translated."""

    configuration: Configuration
    materials: Mapping[str, Material]
    snapshot: Snapshot


def load_configuration(file: str) -> Configuration:
    """Raises PillionError, one line for each fault."""
    from pillion.proxy.configuration import load

    try:
        text = Path(file).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise HostError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{file}: it is not UTF-8 (byte {error.start})") from error
    return load(text, file)


def prepare(configuration: Configuration, found: Mapping[str, Material | CertificateError]) -> Prepared:
    """Raises ManifestError with all that is wrong with the certificates."""
    materials: dict[str, Material] = {}
    faults: list[str] = []
    for name, one in found.items():
        if isinstance(one, Material):
            materials[name] = one
        else:
            faults += str(one).splitlines()
    if faults:
        raise ManifestError("\n".join(faults))
    return Prepared(
        configuration=configuration, materials=materials, snapshot=snapshot(configuration, materials)
    )


def watched_paths(configuration: Configuration) -> tuple[str, ...]:
    """Of the certificates."""
    return tuple(
        path
        for certificate in configuration.certificates
        for path in (certificate.chain, certificate.key, certificate.bundle)
        if path
    )


def restart_reasons(old: Configuration, new: Configuration) -> list[str]:
    """What Envoy or we are started with, and has changed."""
    found = [
        f"ports.{name} was {before} and is {after}"
        for name in Ports.__struct_fields__
        if (before := getattr(old.ports, name)) != (after := getattr(new.ports, name))
    ]
    if old.concurrency != new.concurrency:
        found.append(f"concurrency was {old.concurrency} and is {new.concurrency}")
    if old.tracing.service != new.tracing.service:
        found.append(f"tracing.service was {old.tracing.service} and is {new.tracing.service}")
    return found


def check_access_log(configuration: Configuration) -> None:
    """Raises HostError when Envoy could not write it."""
    log = configuration.access_log
    if log is None:
        return
    folder = Path(log.path).parent
    if not folder.is_dir():
        raise HostError(
            f"{configuration.file}: accessLog.path: there is no folder {folder}; mount the shared log volume there"
        )
    if not os.access(log.path if Path(log.path).exists() else folder, os.W_OK):
        raise HostError(
            f"{configuration.file}: accessLog.path: this user may not write {log.path}; set fsGroup of the Pod, or "
            "another path"
        )
