"""`python in_cluster.py`, in a Pod: what the official client finds there, as one line of JSON."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import kubernetes

CREDENTIALS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FOREIGN = ("10.99.98.97", 443)


def main() -> dict[str, Any]:
    kubernetes.config.load_incluster_config()
    core = kubernetes.client.CoreV1Api()
    namespace = (CREDENTIALS / "namespace").read_text()
    own = core.read_namespaced_pod(socket.gethostname(), namespace)
    listed = core.list_namespaced_pod(namespace)
    return {
        "server": core.api_client.configuration.host,
        "ip": own.status.pod_ip,
        "listed": sorted(pod.metadata.name for pod in listed.items),
        "config": core.read_namespaced_config_map("kube-root-ca.crt", namespace).metadata.name,
        "secrets": refusal(core.list_namespaced_secret, namespace),
        "elsewhere": refusal(core.list_namespaced_pod, "kube-system"),
        "anonymous": {path: anonymous(path) for path in ("/readyz", "/version", "/api/v1/namespaces")},
        "foreign": foreign(),
    }


def refusal(call: Any, namespace: str) -> int:
    try:
        call(namespace)
    except kubernetes.client.ApiException as error:
        return int(error.status)
    return 200


def anonymous(path: str) -> int:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    trusted = ssl.create_default_context(cafile=str(CREDENTIALS / "ca.crt"))
    try:
        with urllib.request.urlopen(f"https://{host}:{port}{path}", context=trusted, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def foreign() -> str:
    """What becomes of a connection to a Service that is none."""
    before = time.monotonic()
    try:
        socket.create_connection(FOREIGN, timeout=10).close()
    except OSError as error:
        return type(error).__name__ if time.monotonic() - before < 2 else "late"
    return "connected"


if __name__ == "__main__":
    print(json.dumps(main()))
