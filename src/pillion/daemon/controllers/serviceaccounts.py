"""What pods need of their namespace: a service account `default`, and the CA by which they know the API server.

Sources: pkg/controller/serviceaccount/serviceaccounts_controller.go; pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pillion.apiserver.admission.serviceaccount import DEFAULT_ACCOUNT, ROOT_CA
from pillion.daemon.api import Api
from pillion.daemon.workqueue import WorkQueue
from pillion.store import Key

Tree = dict[str, Any]

_MANAGER = "kube-controller-manager"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


async def run(api: Api, ca_pem: Callable[[], str]) -> None:
    """`ca_pem`: as it is at the moment of the question."""

    async def reconcile(namespace: str) -> None:
        await ensure(api, namespace, ca_pem())

    queue = WorkQueue("service accounts", reconcile)

    async def follow(storage: str, name: str | None) -> None:
        async for seen in api.follow(storage):
            if name is None:
                queue.add(seen.key.name)
            elif seen.key.name == name:
                queue.add(seen.key.namespace)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queue.run())
        tasks.create_task(follow("namespaces", None))
        tasks.create_task(follow("serviceaccounts", DEFAULT_ACCOUNT))
        tasks.create_task(follow("configmaps", ROOT_CA))


async def ensure(api: Api, namespace: str, ca_pem: str) -> None:
    """Both are there, unless the namespace is ending."""
    tree = api.get("namespaces", "", namespace)
    if tree is None or "deletionTimestamp" in tree["metadata"]:
        return
    if api.get("serviceaccounts", namespace, DEFAULT_ACCOUNT) is None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": DEFAULT_ACCOUNT}}
        await api.create("serviceaccounts", namespace, account, manager=_MANAGER)
    data = {"ca.crt": ca_pem}
    known = api.get("configmaps", namespace, ROOT_CA)
    if known is None:
        annotations = {"kubernetes.io/description": _DESCRIPTION}
        config_map = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": ROOT_CA, "annotations": annotations},
            "data": data,
        }
        await api.create("configmaps", namespace, config_map, manager=_MANAGER)
    elif known.get("data") != data:
        key = Key("configmaps", namespace, ROOT_CA)
        await api.update(key, lambda current: {**current, "data": data}, manager=_MANAGER)
