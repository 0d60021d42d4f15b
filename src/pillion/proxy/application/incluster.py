"""What a program in a Pod is given to reach the API server with, and what its token says of the Pod. Pure.

Source: client-go, rest/config.go (InClusterConfig); the claims of a bound token: pkg/serviceaccount/claims.go.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec

from pillion.proxy.application.eventrecords import Pod

CREDENTIALS = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN = "token"  # noqa: S105 - the name of a file
AUTHORITIES = "ca.crt"


class ApiServer(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int
    credentials: str = CREDENTIALS
    """The folder with token and authorities. The kubelet replaces a token before it ends."""


def api_server(environment: Mapping[str, str]) -> ApiServer | None:
    """None: we are in no Pod, or in one that is to know nothing of its cluster."""
    host, port = (
        environment.get("KUBERNETES_SERVICE_HOST", ""),
        environment.get("KUBERNETES_SERVICE_PORT", ""),
    )
    if not host or not (port.isascii() and port.isdigit()):
        return None
    return ApiServer(host=host, port=int(port))


class _Named(msgspec.Struct):
    name: str
    uid: str


class _Bound(msgspec.Struct):
    namespace: str
    pod: _Named


class _Claims(msgspec.Struct):
    kubernetes: _Bound = msgspec.field(name="kubernetes.io")


def pod_of(token: str) -> Pod | None:
    """The Pod a token is bound to; None: to none. It is not verified: who gets it with our requests does that."""
    parts = token.split(".")
    if len(parts) != 3:  # header, claims, signature (RFC 7515, section 3.1)
        return None
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        bound = msgspec.json.decode(claims, type=_Claims).kubernetes
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
    return Pod(namespace=bound.namespace, name=bound.pod.name, uid=bound.pod.uid)
