"""A refused update of the proxy is what `kubectl describe pod` shows, while the old configuration serves."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
import yaml
from tests.e2e.lab import Tree, a_pod, config_map, server, sidecar
from tests.e2e.served import needs_kubectl, served
from tests.proxy_traffic import free_port, until

pytestmark = [pytest.mark.host, pytest.mark.slow, needs_kubectl]


API_ACCESS = [
    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
]
"""docs/howto/mtls.md: what the sidecar needs, and nobody else in the Pod gets."""


def configuration(port: int, ports: dict[str, int]) -> Tree:
    route = {"to": ports["health"], "match": {"prefix": "/healthz"}}
    return {"ports": ports, "inbound": [{"name": "agent", "port": port, "tls": "none", "routes": [route]}]}


def security(text: str) -> Tree:
    return config_map("agent-security", **{"proxy.yaml": text})


def test_kubectl_shows_that_an_update_was_refused_and_that_its_repair_was_taken(tmp_path: Path) -> None:
    port, ports = free_port(), {name: free_port() for name in ("admin", "metrics", "health")}
    good = yaml.safe_dump(configuration(port, ports))
    with served(tmp_path) as cluster:
        proxy = sidecar(
            "security-sidecar",
            "",
            image="pillion/proxy:latest",
            command=None,
            args=["--config", "/etc/pillion/proxy.yaml"],
            startupProbe={
                "httpGet": {"path": "/healthz/ready", "port": ports["health"]},
                "periodSeconds": 1,
                "failureThreshold": 60,
            },
            volumeMounts=[
                {"name": "security", "mountPath": "/etc/pillion"},
                {"name": "api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
            ],
        )
        volumes = [
            {"name": "security", "configMap": {"name": "agent-security"}},
            {"name": "api-access", "projected": {"sources": API_ACCESS}},
        ]
        spec = {"automountServiceAccountToken": False, "volumes": volumes}
        pod = a_pod("agent", server("agent"), inits=[proxy], **spec)
        cluster.apply(security(good), pod)
        until(
            lambda: (
                cluster.call("wait", "--for=condition=Ready", "pod/agent", "--timeout=10s").returncode == 0
            )
        )

        def told(reason: str) -> list[Tree]:
            selector = f"involvedObject.name=agent,reason={reason}"
            found: list[Tree] = cluster.get("events", f"--field-selector={selector}")["items"]
            return found

        cluster.apply(security(good.replace("tls: none", "tls: nune")))
        until(lambda: told("ProxyConfigurationRefused"))
        [event] = told("ProxyConfigurationRefused")
        assert "/etc/pillion/proxy.yaml:" in event["message"]
        assert "inbound[0].tls: 'nune' is not known here; did you mean none?" in event["message"]
        seen = cluster.get("pod", "agent")
        assert event["involvedObject"]["uid"] == seen["metadata"]["uid"]
        described = cluster.kubectl("describe", "pod", "agent")
        [line] = [one for one in described.splitlines() if "ProxyConfigurationRefused" in one]
        assert line.split()[:2] == ["Warning", "ProxyConfigurationRefused"]
        assert "pillion-proxy" in line
        with urllib.request.urlopen(
            f"http://{seen['status']['podIP']}:{port}/healthz/ready", timeout=20
        ) as answer:
            assert answer.status == 200, "the old configuration serves"

        cluster.apply(security(good))
        until(lambda: told("ProxyConfigurationTaken"))
        assert [one["type"] for one in told("ProxyConfigurationTaken")] == ["Normal"]

        cluster.apply(security(good.replace("tls: none", "tls: nune")))
        until(lambda: told("ProxyConfigurationRefused")[0]["count"] == 2)
