"""ServiceAccount: every pod is somebody, and has a token that says so.

Source: plugin/pkg/admission/serviceaccount/admission.go.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.admission.chain import is_new_pod, with_spec
from pillion.apiserver.seams import AdmissionRequest
from pillion.store import CompactedError, Key, Store

Tree = dict[str, Any]

DEFAULT_ACCOUNT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
ROOT_CA = "kube-root-ca.crt"
TOKEN_SECONDS = 3607
"""An hour and seven seconds: by the seven, such tokens are told from those that somebody asked for."""
PATIENCE_SECONDS = 1.5
"""How long a pod waits for the default account of a namespace that has just been made: ten attempts, 150 ms apart."""
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class ServiceAccount:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def admit(self, request: AdmissionRequest) -> Tree | None:
        if not is_new_pod(request) or request.object is None:
            return request.object
        spec = request.object.get("spec", {})
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT_ACCOUNT
        account = await self._find(request.namespace, name)
        if account is None:
            why = f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
            raise statuses.forbidden(request.resource, request.name, why)
        pod = with_spec(request.object, serviceAccountName=name, serviceAccount=name)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            pod = with_spec(pod, imagePullSecrets=account["imagePullSecrets"])
        mounts = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
        return _mount_token(pod) if mounts else pod

    async def _find(self, namespace: str, name: str) -> Tree | None:
        key = Key("serviceaccounts", namespace, name)
        stored = self._store.get(key)
        if stored is None and name == DEFAULT_ACCOUNT:
            stored = await self._wait_for(key)
        return None if stored is None else msgspec.json.decode(stored.value)

    async def _wait_for(self, key: Key) -> Any:
        watch = self._store.watch(key.resource, key.namespace, since=self._store.revision)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for change in watch:
                    if change.stored.key == key:
                        break
        except (TimeoutError, CompactedError):
            pass  # it is looked up once more, and then said to be missing
        finally:
            watch.close()
        return self._store.get(key)


def _mount_token(pod: Tree) -> Tree:
    """The token's volume, mounted into every container that has nothing else in its place."""
    spec = pod["spec"]
    volumes = spec.get("volumes", [])
    known = next((v["name"] for v in volumes if str(v.get("name", "")).startswith(VOLUME_PREFIX)), None)
    volume = known or VOLUME_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(5))
    mount = {"name": volume, "readOnly": True, "mountPath": MOUNT_PATH}
    changes: Tree = {}
    for field in ("initContainers", "containers"):
        containers = [_with_mount(container, mount) for container in spec.get(field, ())]
        if containers != spec.get(field, []):
            changes[field] = containers
    if not changes:
        return pod
    if known is None:
        changes["volumes"] = [*volumes, {"name": volume, "projected": _token_source()}]
    return with_spec(pod, **changes)


def _with_mount(container: Tree, mount: Tree) -> Tree:
    mounts = container.get("volumeMounts", [])
    if any(known.get("mountPath") == MOUNT_PATH for known in mounts):
        return container
    return {**container, "volumeMounts": [*mounts, mount]}


def _token_source() -> Tree:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
    }
