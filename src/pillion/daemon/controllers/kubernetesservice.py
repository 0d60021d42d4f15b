"""`default/kubernetes`: the Service under which a pod finds the API server (pkg/controlplane/controller)."""

from __future__ import annotations

from typing import Any

from pillion.apiserver.admission.clusterip import KUBERNETES_IP
from pillion.daemon.api import Api

Tree = dict[str, Any]

PORT = 443


async def ensure(api: Api, server_port: int) -> None:
    """Made once; its address never changes."""
    if api.get("services", "default", "kubernetes") is not None:
        return
    labels = {"component": "apiserver", "provider": "kubernetes"}
    tree: Tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": KUBERNETES_IP,
            "ports": [{"name": "https", "port": PORT, "protocol": "TCP", "targetPort": server_port}],
        },
    }
    await api.create("services", "default", tree, manager="kube-apiserver")
