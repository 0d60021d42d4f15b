"""Service-account tokens: whose they are, how long they last, and who may do what with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.apiserver.server import Server

from pillion.apiserver.accounttokens import ISSUER, Bound, ServiceAccountTokens
from pillion.apiserver.authentication import ADMIN, TokenAuthenticator
from pillion.apiserver.authorization import authorize
from pillion.apiserver.seams import Attributes, User
from pillion.apiserver.statuses import ApiError
from pillion.store import Key, Revision
from pillion.testing.memorystore import MemoryStore
from pillion.units import Instant

Tree = dict[str, Any]
ACCOUNT: Tree = {"metadata": {"name": "robot", "uid": "account-1"}}
POD = Bound(kind="Pod", name="p", uid="pod-1")


def pem() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


PEM = pem()


class Clock:
    time = Instant(1_767_322_245.0)

    def now(self) -> Instant:
        return self.time


class Lab:
    def __init__(self) -> None:
        self.clock = Clock()
        self.store = MemoryStore()
        self.tokens = ServiceAccountTokens(self.store, self.clock, PEM)

    async def keep(self, storage: str, name: str, uid: str) -> None:
        value = msgspec.json.encode({"metadata": {"name": name, "uid": uid, "resourceVersion": "1"}})
        await self.store.create(Key(storage, "shop", name), lambda _revision: value)

    async def drop(self, storage: str, name: str) -> None:
        key = Key(storage, "shop", name)
        stored = self.store.get(key)
        assert stored is not None
        await self.store.delete(key, lambda _revision: stored.value, expected=Revision(stored.revision))


@pytest.fixture
def with_lab() -> Callable[[Callable[[Lab], Awaitable[None]]], None]:
    async def whole(body: Callable[[Lab], Awaitable[None]]) -> None:
        lab = Lab()
        await lab.store.open()
        await lab.keep("serviceaccounts", "robot", "account-1")
        await lab.keep("pods", "p", "pod-1")
        await body(lab)
        await lab.store.close()

    return lambda body: asyncio.run(whole(body))


WithLab = Callable[[Callable[[Lab], Awaitable[None]]], None]


def test_a_token_says_whose_it_is(with_lab: WithLab) -> None:
    async def body(lab: Lab) -> None:
        token, ends = lab.tokens.issue("shop", ACCOUNT, bound=POD, seconds=3607)
        assert ends == lab.clock.now() + 3607
        user = lab.tokens.verify(token)
        assert user is not None
        assert (user.name, user.uid) == ("system:serviceaccount:shop:robot", "account-1")
        assert user.groups == (
            "system:serviceaccounts",
            "system:serviceaccounts:shop",
            "system:authenticated",
        )
        assert user.extra["authentication.kubernetes.io/pod-name"] == ("p",)

    with_lab(body)


def test_a_token_is_a_json_web_token_with_kubernetes_claims(with_lab: WithLab) -> None:
    async def body(lab: Lab) -> None:
        token, _ = lab.tokens.issue("shop", ACCOUNT, bound=POD)
        claims = jwt.decode(token, options={"verify_signature": False})
        assert (claims["iss"], claims["aud"]) == (ISSUER, [ISSUER])
        assert claims["sub"] == "system:serviceaccount:shop:robot"
        assert claims["exp"] - claims["iat"] == 3600
        assert claims["kubernetes.io"] == {
            "namespace": "shop",
            "serviceaccount": {"name": "robot", "uid": "account-1"},
            "pod": {"name": "p", "uid": "pod-1"},
        }

    with_lab(body)


def test_a_token_ends_with_its_time_its_pod_or_its_account(with_lab: WithLab) -> None:
    async def body(lab: Lab) -> None:
        token, _ = lab.tokens.issue("shop", ACCOUNT, bound=POD)
        unbound, _ = lab.tokens.issue("shop", ACCOUNT)
        lab.clock.time = Instant(Clock.time + 3599)
        assert lab.tokens.verify(token) is not None
        lab.clock.time = Instant(Clock.time + 3600)
        assert lab.tokens.verify(token) is None
        lab.clock.time = Clock.time
        await lab.drop("pods", "p")
        assert lab.tokens.verify(token) is None
        assert lab.tokens.verify(unbound) is not None
        await lab.drop("serviceaccounts", "robot")
        await lab.keep("serviceaccounts", "robot", "account-2")
        assert lab.tokens.verify(unbound) is None, "another account of the same name is another account"

    with_lab(body)


def test_a_token_that_is_over_is_no_way_in(with_lab: WithLab) -> None:
    async def body(lab: Lab) -> None:
        token, _ = lab.tokens.issue("shop", ACCOUNT)
        server = Server(lab.store, TokenAuthenticator("secret", lab.tokens))
        url = "/api/v1/namespaces/shop/pods/p"
        assert (await server.get(url, authorization=f"Bearer {token}")).code == 200
        lab.clock.time = Instant(Clock.time + 3600)
        over = await server.get(url, authorization=f"Bearer {token}")
        assert (over.code, over.tree["reason"], over.tree["message"]) == (401, "Unauthorized", "Unauthorized")

    with_lab(body)


def test_tokens_of_others_are_nothing(with_lab: WithLab) -> None:
    async def body(lab: Lab) -> None:
        strange = ServiceAccountTokens(lab.store, lab.clock, pem())
        token, _ = strange.issue("shop", ACCOUNT)
        assert lab.tokens.verify(token) is None
        elsewhere, _ = lab.tokens.issue("shop", ACCOUNT, audiences=("vault",))
        assert lab.tokens.verify(elsewhere) is None
        assert lab.tokens.verify(elsewhere, audience="vault") is not None
        unsigned = jwt.encode({"sub": "x", "exp": 1 << 40}, key="", algorithm="none")
        for text in ("", "x", "a.b.c", unsigned):
            assert lab.tokens.verify(text) is None

    with_lab(body)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer wrong", None),
        ("Basic secret", None),
        ("Bearer secret", "kubernetes-admin"),
        ("bearer secret", "kubernetes-admin"),
        ("Bearer sécret", None),
    ],
)
def test_a_header_names_a_user_or_nobody(header: str | None, name: str | None) -> None:
    lab = Lab()
    user = TokenAuthenticator("secret", lab.tokens)(header)
    assert (user.name if user else None) == name


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"expirationSeconds": 599}, "may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": 1 << 33}, "may not specify a duration larger than 2^32 seconds"),
        ({"boundObjectRef": {"kind": "Pod", "name": "q"}}, 'pods "q" not found'),
        (
            {"boundObjectRef": {"kind": "ConfigMap", "name": "q"}},
            "cannot bind token for serviceaccount to ConfigMap",
        ),
        (
            {"boundObjectRef": {"kind": "Pod", "name": "p", "uid": "other"}},
            "does not match the UID in record",
        ),
    ],
)
def test_a_request_that_cannot_be_is_refused(with_lab: WithLab, spec: Tree, said: str) -> None:
    async def body(lab: Lab) -> None:
        with pytest.raises(ApiError) as refused:
            await lab.tokens.answer("shop", ACCOUNT, {"spec": spec})
        assert said in refused.value.message

    with_lab(body)


def test_a_request_is_answered_with_its_token(with_lab: WithLab) -> None:
    async def body(lab: Lab) -> None:
        answer = await lab.tokens.answer("shop", ACCOUNT, {"spec": {"expirationSeconds": 600}})
        assert answer["status"]["expirationTimestamp"] == "2026-01-02T03:00:45Z"
        assert lab.tokens.verify(answer["status"]["token"]) is not None

    with_lab(body)


TOKEN = "/api/v1/namespaces/shop/serviceaccounts/robot/token"


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        # kubectl before 1.33 names what it does not ask for.
        ({"audiences": None, "expirationSeconds": None, "boundObjectRef": None}, 201),
        (None, 201),
        ({}, 201),
        ({"expirationSeconds": "600"}, 400),
        ({"expirationSeconds": 600.5}, 400),
        ({"audiences": "a"}, 400),
        ({"audiences": [1]}, 400),
        ({"boundObjectRef": "p"}, 400),
        ({"boundObjectRef": {"kind": 1}}, 400),
        ([], 400),
    ],
)
def test_a_request_over_http_is_read_or_refused(with_lab: WithLab, spec: Any, code: int) -> None:
    async def body(lab: Lab) -> None:
        server = Server(lab.store, issue_token=lab.tokens.answer)
        reply = await server.call("POST", TOKEN, {"kind": "TokenRequest", "spec": spec})
        assert reply.code == code, reply.body
        if code == 201:
            assert lab.tokens.verify(reply.tree["status"]["token"]) is not None

    with_lab(body)


OWN = User(name="system:serviceaccount:shop:robot", groups=("system:serviceaccounts",))


@pytest.mark.parametrize(
    ("asked", "may"),
    [
        (Attributes(verb="list", resource="pods", namespace="shop"), True),
        (Attributes(verb="watch", resource="configmaps", namespace="shop"), True),
        (Attributes(verb="get", resource="pods", subresource="log", namespace="shop", name="p"), True),
        (Attributes(verb="get", resource="namespaces", namespace="shop", name="shop"), True),
        (Attributes(verb="create", resource="events", namespace="shop"), True),
        (Attributes(verb="patch", resource="events", namespace="shop", name="e"), True),
        (Attributes(verb="create", resource="selfsubjectaccessreviews"), True),
        (Attributes(verb="get", path="/version"), True),
        (Attributes(verb="get", resource="pods", subresource="exec", namespace="shop", name="p"), False),
        (Attributes(verb="get", resource="pods", subresource="proxy", namespace="shop", name="p"), False),
        (Attributes(verb="get", resource="secrets", namespace="shop", name="s"), False),
        (Attributes(verb="list", resource="pods", namespace="other"), False),
        (Attributes(verb="list", resource="pods"), False),
        (Attributes(verb="list", resource="nodes"), False),
        (Attributes(verb="create", resource="events", namespace="other"), False),
        (Attributes(verb="create", resource="events"), False),
        (Attributes(verb="delete", resource="events", namespace="shop", name="e"), False),
        (Attributes(verb="create", resource="pods", namespace="shop"), False),
        (Attributes(verb="create", resource="serviceaccounts", subresource="token", namespace="shop"), False),
        (Attributes(verb="delete", resource="configmaps", namespace="shop", name="c"), False),
    ],
)
def test_an_account_may_look_at_its_own_namespace_and_write_events_there(
    asked: Attributes, may: bool
) -> None:
    assert (authorize(OWN, asked) is None) is may
    assert authorize(ADMIN, asked) is None
