"""Service-account tokens: JSON Web Tokens that a pod, or a person by `kubectl create token`, shows to the API server.

The claims are Kubernetes' (pkg/serviceaccount/claims.go), so that client libraries read them. A token lives as long as
its service account and the pod it is bound to: both are looked up whenever it is shown.
"""

from __future__ import annotations

import uuid
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pillion.apiserver import statuses
from pillion.apiserver.seams import User
from pillion.clock import Clock
from pillion.objects.fielderrors import Path, invalid
from pillion.store import Key, Store
from pillion.units import Instant, format_time

Tree = dict[str, Any]

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""kubeadm's --service-account-issuer; also the audience of a token that names none."""
MIN_SECONDS, MAX_SECONDS = 600, 1 << 32
"""Lifetimes a TokenRequest may ask for (pkg/apis/authentication/validation)."""
DEFAULT_SECONDS = 3600
_ALGORITHM = "ES256"
_BINDABLE = ("Pod", "Secret", "Node")


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """The object with which a token ends."""

    kind: str
    name: str
    uid: str


class ServiceAccountTokens:
    def __init__(self, store: Store, clock: Clock, key_pem: bytes) -> None:
        self._store = store
        self._clock = clock
        key = serialization.load_pem_private_key(key_pem, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self._public_key = key.public_key()

    def issue(
        self,
        namespace: str,
        account: Tree,
        *,
        audiences: tuple[str, ...] = (),
        seconds: int = DEFAULT_SECONDS,
        bound: Bound | None = None,
        node_name: str = "",
    ) -> tuple[str, Instant]:
        """A token of the account, and when it ends."""
        now = int(self._clock.now())
        metadata = account["metadata"]
        private: Tree = {
            "namespace": namespace,
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        }
        if bound is not None:
            private[bound.kind.lower()] = {"name": bound.name, "uid": bound.uid}
        if bound is not None and bound.kind == "Pod" and node_name:
            node = _metadata(self._store, Key("nodes", "", node_name))
            private["node"] = {"name": node_name, **({"uid": node["uid"]} if node else {})}
        claims = {
            "aud": list(audiences or (ISSUER,)),
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
            "nbf": now,
            "sub": account_user_name(namespace, metadata["name"]),
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM), Instant(float(now + seconds))

    def verify(self, token: str, *, audience: str = ISSUER) -> User | None:
        """Whose token this is; None when it is not one of ours, or not good any more."""
        try:
            claims = jwt.decode(
                token,
                self._public_key,
                algorithms=[_ALGORITHM],
                audience=audience,
                issuer=ISSUER,
                # The clock of the loop, not the machine's, is the one that tokens were issued by.
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp"]},
            )
        except jwt.InvalidTokenError:
            return None
        if not claims.get("nbf", 0) <= self._clock.now() + 1 or claims["exp"] <= self._clock.now():
            return None
        return self._user(claims)

    def _user(self, claims: Tree) -> User | None:
        private = claims.get("kubernetes.io", {})
        namespace, account = private.get("namespace", ""), private.get("serviceaccount", {})
        if not self._lives(Key("serviceaccounts", namespace, account.get("name", "")), account):
            return None
        extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims['jti']}",)}
        for kind in ("pod", "secret"):
            bound = private.get(kind)
            if bound is not None and not self._lives(Key(f"{kind}s", namespace, bound["name"]), bound):
                return None
            if bound is not None and kind == "pod":
                extra["authentication.kubernetes.io/pod-name"] = (bound["name"],)
                extra["authentication.kubernetes.io/pod-uid"] = (bound["uid"],)
        if "node" in private:
            extra["authentication.kubernetes.io/node-name"] = (private["node"]["name"],)
        return User(
            name=account_user_name(namespace, account["name"]),
            uid=account["uid"],
            groups=(
                "system:serviceaccounts",
                f"system:serviceaccounts:{namespace}",
                "system:authenticated",
            ),
            extra=extra,
        )

    def _lives(self, key: Key, named: Tree) -> bool:
        found = _metadata(self._store, key)
        return found is not None and found.get("uid") == named.get("uid")

    # The `token` subresource of ServiceAccounts

    async def answer(self, namespace: str, account: Tree, request: Tree) -> Tree:
        """An `IssueToken`: the TokenRequest with its status (registry/core/serviceaccount/storage/token.go)."""
        spec = dict(request.get("spec") or {})
        seconds = spec.setdefault("expirationSeconds", DEFAULT_SECONDS)
        name = account["metadata"]["name"]
        errors = []
        if seconds < MIN_SECONDS:
            errors.append(invalid(_EXPIRATION, seconds, "may not specify a duration less than 10 minutes"))
        elif seconds > MAX_SECONDS:
            errors.append(
                invalid(_EXPIRATION, seconds, "may not specify a duration larger than 2^32 seconds")
            )
        if errors:
            raise statuses.invalid("TokenRequest", "", errors, group="authentication.k8s.io")
        bound = self._bound(namespace, spec.get("boundObjectRef"))
        audiences = tuple(spec.get("audiences") or (ISSUER,))
        token, ends = self.issue(namespace, account, audiences=audiences, seconds=seconds, bound=bound)
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "creationTimestamp": format_time(self._clock.now()),
            },
            "spec": spec | {"audiences": list(audiences), "boundObjectRef": spec.get("boundObjectRef")},
            "status": {"token": token, "expirationTimestamp": format_time(ends)},
        }

    def _bound(self, namespace: str, reference: Tree | None) -> Bound | None:
        """Raises ApiError when there is no such object."""
        if reference is None:
            return None
        kind, name = reference.get("kind", ""), reference.get("name", "")
        if kind not in _BINDABLE:
            raise statuses.bad_request(f"cannot bind token for serviceaccount to {kind}")
        key = Key(f"{kind.lower()}s", "" if kind == "Node" else namespace, name)
        found = _metadata(self._store, key)
        if found is None:
            raise statuses.ApiError(
                404, "NotFound", f'{key.resource} "{name}" not found', {"name": name, "kind": key.resource}
            )
        uid = reference.get("uid") or found["uid"]
        if uid != found["uid"]:
            raise statuses.ApiError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {key.resource} "{name}": the UID in the bound object reference '
                f"({uid}) does not match the UID in record. The object might have been deleted and then recreated",
                {"name": name, "kind": key.resource},
            )
        return Bound(kind=kind, name=name, uid=uid)


_EXPIRATION = Path("spec").child("expirationSeconds")


def account_user_name(namespace: str, name: str) -> str:
    return f"system:serviceaccount:{namespace}:{name}"


def find_account(store: Store, namespace: str, name: str) -> Tree | None:
    stored = store.get(Key("serviceaccounts", namespace, name))
    return None if stored is None else msgspec.json.decode(stored.value)


def _metadata(store: Store, key: Key) -> Tree | None:
    stored = store.get(key)
    if stored is None:
        return None
    metadata: Tree = msgspec.json.decode(stored.value)["metadata"]
    return metadata
