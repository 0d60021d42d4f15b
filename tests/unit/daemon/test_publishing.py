"""`--publish`: how it is read, and which pod's port it means."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.daemon.publishing import Publication, match, parse_publication
from pillion.errors import ManifestError
from pillion.objects.codec import decode
from pillion.objects.models import core_v1


def a_pod(name: str, *ports: dict[str, Any], namespace: str = "default") -> core_v1.Pod:
    tree = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": "box", "ports": list(ports)}]},
    }
    pod, problems = decode(core_v1.Pod, tree)
    assert problems == []
    return pod


HTTP = {"containerPort": 8000, "name": "http", "protocol": "TCP"}
DNS = {"containerPort": 53, "name": "dns", "protocol": "UDP"}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("8080:8000", ("127.0.0.1", 8080, None, 8000)),
        ("8080:http", ("127.0.0.1", 8080, None, "http")),
        ("8080:agent/http", ("127.0.0.1", 8080, "agent", "http")),
        ("0.0.0.0:8080:agent/8000", ("0.0.0.0", 8080, "agent", 8000)),
    ],
)
def test_a_publication_has_an_address_a_port_and_a_target(text: str, read: tuple[Any, ...]) -> None:
    host_ip, host_port, pod, port = read
    assert parse_publication(text) == Publication(
        text=text, host_ip=host_ip, host_port=host_port, pod=pod, port=port
    )


@pytest.mark.parametrize(
    "text", ["", ":", "8080", "8080:", ":8000", "0:8000", "65536:8000", "a:b:c", "8080:agent/"]
)
def test_what_is_no_publication_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(ManifestError, match="cannot read --publish"):
        parse_publication(text)


@pytest.mark.parametrize(
    ("text", "pods", "meant"),
    [
        ("8080:http", (a_pod("p", HTTP), a_pod("q", DNS)), ("default/p", 8000, "TCP")),
        ("8080:53", (a_pod("p", HTTP), a_pod("q", DNS)), ("default/q", 53, "UDP")),
        ("8080:q/http", (a_pod("p", HTTP), a_pod("q", HTTP)), ("default/q", 8000, "TCP")),
        ("8080:9000", (a_pod("p", HTTP),), ("default/p", 9000, "TCP")),
        ("8080:b/p/http", (a_pod("p", HTTP), a_pod("p", HTTP, namespace="b")), ("b/p", 8000, "TCP")),
    ],
)
def test_a_publication_means_the_one_port_that_fits(
    text: str, pods: tuple[core_v1.Pod, ...], meant: tuple[str, int, str]
) -> None:
    [published] = match([parse_publication(text)], list(pods))
    assert (published.pod, published.host_port.container_port, published.host_port.protocol) == meant
