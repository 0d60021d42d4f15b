"""`--publish`: ports of pods on ports of this machine."""

from __future__ import annotations

import ipaddress

import msgspec

from pillion.errors import ManifestError
from pillion.objects.models import core_v1
from pillion.plan.containerspec import HostPort
from pillion.plan.pods import containers_of, metadata_of

FORM = "[ADDRESS:]HOST_PORT:[[NAMESPACE/]POD/]PORT, for example 8080:8000 or 127.0.0.1:8080:agent/http"
LOOPBACK = "127.0.0.1"
"""Where a port is published unless an address is named: nobody else's business by default."""


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """One `--publish`, not yet matched with a pod."""

    text: str
    host_ip: str
    host_port: int
    pod: str | None
    """A name, or namespace/name."""
    port: int | str


class Published(msgspec.Struct, frozen=True, kw_only=True):
    publication: Publication
    pod: str
    """namespace/name."""
    host_port: HostPort


def parse_publication(text: str) -> Publication:
    """Read one `--publish` option. Raises ManifestError."""
    head, _, target = text.rpartition(":")
    address, _, host_port = head.rpartition(":")
    pod, _, port = target.rpartition("/")
    if not head or not port:
        raise ManifestError(f"cannot read --publish {text}: expected {FORM}")
    try:
        host_ip = str(ipaddress.IPv4Address(address)) if address else LOOPBACK
    except ValueError:
        raise ManifestError(
            f"cannot read --publish {text}: {address} is not an IPv4 address; expected {FORM}"
        ) from None
    return Publication(
        text=text,
        host_ip=host_ip,
        host_port=_number(text, host_port),
        pod=pod or None,
        port=_number(text, port) if port.isdigit() else port,
    )


def _number(text: str, number: str) -> int:
    if not number.isdigit() or not 1 <= int(number) <= 65535:
        raise ManifestError(
            f"cannot read --publish {text}: {number or 'nothing'} is not a port; expected {FORM}"
        )
    return int(number)


def match(publications: list[Publication], pods: list[core_v1.Pod]) -> list[Published]:
    """Which pod each publication means. Raises ManifestError when that is none, or not clear."""
    return [_match(publication, pods) for publication in publications]


def _match(publication: Publication, pods: list[core_v1.Pod]) -> Published:
    wanted = [pod for pod in pods if publication.pod in (None, metadata_of(pod).name, _full_name(pod))]
    if not wanted:
        names = ", ".join(sorted(metadata_of(pod).name or "" for pod in pods))
        raise ManifestError(
            f"cannot publish {publication.text}: there is no Pod {publication.pod}; Pods: {names}"
        )
    found = [(pod, port) for pod in wanted if (port := _find(pod, publication.port)) is not None]
    if not found and len(wanted) == 1 and isinstance(publication.port, int):
        found = [(wanted[0], (publication.port, "TCP"))]  # a port that the manifest does not mention
    if not found:
        raise ManifestError(f"cannot publish {publication.text}: no Pod has a port {publication.port}")
    if len(found) > 1:
        names = ", ".join(sorted(_full_name(pod) for pod, _ in found))
        raise ManifestError(
            f"cannot publish {publication.text}: several Pods have that port ({names}); say which one: "
            "[NAMESPACE/]POD/PORT"
        )
    pod, (number, protocol) = found[0]
    return Published(
        publication=publication,
        pod=_full_name(pod),
        host_port=HostPort(
            host_ip=publication.host_ip,
            host_port=publication.host_port,
            container_port=number,
            protocol=protocol,
        ),
    )


def _full_name(pod: core_v1.Pod) -> str:
    meta = metadata_of(pod)
    return f"{meta.namespace or 'default'}/{meta.name}"


def _find(pod: core_v1.Pod, port: int | str) -> tuple[int, str] | None:
    for _, container in containers_of(pod):
        for known in container.ports or ():
            if port in (known.containerPort, known.name):
                return known.containerPort, known.protocol or "TCP"
    return None
