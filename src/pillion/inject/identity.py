"""`pillion.dev/identity: "true"`: a volume with the Pod's certificate, its key and whom to trust, in every container.

The volume is written with Kubernetes' own sources (KEP-4317 podCertificate, KEP-3257 clusterTrustBundle): a cluster
that has a signer of this name runs the same Pod.
"""

from __future__ import annotations

import posixpath
from typing import Any

from pillion.objects.fielderrors import FieldError, Path, not_supported

Tree = dict[str, Any]

IDENTITY_ANNOTATION = "pillion.dev/identity"
SIGNER_NAME = "pillion.dev/identity"
BUNDLE_NAME = "pillion.dev:identity:bundle"
"""The ClusterTrustBundle of the signer; such a name begins with that of its signer."""
IDENTITY_VOLUME = "pillion-identity"
IDENTITY_PATH = "/var/run/secrets/pillion.dev/identity"
_VALUES = ("false", "true")


def check_identity(pod: Tree) -> list[FieldError]:
    """What is wrong with the annotation."""
    value = _annotation(pod)
    if value is None or value in _VALUES:
        return []
    return [not_supported(Path("metadata").child("annotations").key(IDENTITY_ANNOTATION), value, _VALUES)]


def add_identity(pod: Tree) -> Tree:
    """The Pod with its identity, if its annotation asks for one; otherwise the same. Twice is as good as once.

    A container that mounts something in the identity's place keeps that; a volume of the identity's name that is there
    already, written by hand, is the one that is mounted.
    """
    if _annotation(pod) != "true":
        return pod
    spec = pod.get("spec") or {}
    changes: Tree = {}
    for field in ("initContainers", "containers"):
        containers = spec.get(field) or []
        mounted = [_with_mount(container) for container in containers]
        if mounted != containers:
            changes[field] = mounted
    if not changes:
        return pod
    volumes = spec.get("volumes") or []
    if all(volume.get("name") != IDENTITY_VOLUME for volume in volumes):
        changes["volumes"] = [*volumes, {"name": IDENTITY_VOLUME, "projected": _projected()}]
    return {**pod, "spec": {**spec, **changes}}


def _annotation(pod: Tree) -> str | None:
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    value: str | None = annotations.get(IDENTITY_ANNOTATION)
    return value


def _with_mount(container: Tree) -> Tree:
    mounts = container.get("volumeMounts") or []
    if any(posixpath.normpath(mount.get("mountPath", "")) == IDENTITY_PATH for mount in mounts):
        return container
    mount = {"name": IDENTITY_VOLUME, "readOnly": True, "mountPath": IDENTITY_PATH}
    return {**container, "volumeMounts": [*mounts, mount]}


def _projected() -> Tree:
    """The layout of a kubernetes.io/tls Secret as cert-manager fills it: tls.crt, tls.key, ca.crt."""
    certificate = {
        "signerName": SIGNER_NAME,
        "keyType": "ECDSAP256",
        "keyPath": "tls.key",
        "certificateChainPath": "tls.crt",
    }
    # Without a selector a signer's bundles match nothing, with an empty one all of them do.
    anchors = {"signerName": SIGNER_NAME, "labelSelector": {}, "path": "ca.crt"}
    return {
        "defaultMode": 0o644,
        "sources": [{"podCertificate": certificate}, {"clusterTrustBundle": anchors}],
    }
