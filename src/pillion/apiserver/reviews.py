"""Questions that are asked by POST and answered at once: may I, who am I (authorization, authentication)."""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.decoding import check_type, read_message
from pillion.apiserver.negotiation import read_body
from pillion.apiserver.reading import show_tree
from pillion.apiserver.requests import Request
from pillion.apiserver.responding import Answer
from pillion.apiserver.seams import Attributes, Authenticate, Authorize, User
from pillion.clock import Clock

Tree = dict[str, Any]

_EVERYTHING = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)


class _ResourceAttributes(msgspec.Struct):
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class _OtherAttributes(msgspec.Struct):
    verb: str = ""
    path: str = ""


class _Spec(msgspec.Struct):
    """Of any of these reviews."""

    resourceAttributes: _ResourceAttributes | None = None
    nonResourceAttributes: _OtherAttributes | None = None
    user: str = ""
    groups: tuple[str, ...] = ()
    namespace: str = ""
    token: str = ""


class _Review(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)


class Reviews:
    def __init__(self, authenticate: Authenticate, authorize: Authorize, clock: Clock) -> None:
        self._authenticate = authenticate
        self._authorize = authorize
        self._clock = clock

    async def self_access(self, request: Request) -> Answer:
        """SelfSubjectAccessReview: `kubectl auth can-i`."""
        tree, spec = await _read(request)
        return self._answer(request, tree, self._judge(request.user, spec))

    async def subject_access(self, request: Request) -> Answer:
        """SubjectAccessReview and its local form, about somebody else."""
        tree, spec = await _read(request)
        user = User(name=spec.user, groups=spec.groups)
        return self._answer(request, tree, self._judge(user, spec))

    async def self_rules(self, request: Request) -> Answer:
        """SelfSubjectRulesReview: `kubectl auth can-i --list`. All or, as far as one can tell here, nothing."""
        tree, spec = await _read(request)
        namespace = spec.namespace
        if not namespace:
            raise statuses.bad_request("no namespace on request")
        may_all = self._authorize(
            request.user, Attributes(verb="*", group="*", resource="*", namespace=namespace)
        )
        rules = _EVERYTHING if may_all is None else ()
        status = {
            "resourceRules": [rule for rule in rules if "resources" in rule],
            "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
            "incomplete": may_all is not None,
        }
        return self._answer(request, tree, status)

    async def self_subject(self, request: Request) -> Answer:
        """SelfSubjectReview: `kubectl auth whoami`. The question is the request itself; its body says nothing."""
        resource = request.target.resource
        tree = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {}}
        return self._answer(request, tree, {"userInfo": _user_info(request.user)})

    async def token(self, request: Request) -> Answer:
        """TokenReview."""
        tree, spec = await _read(request)
        user = self._authenticate(f"Bearer {spec.token}")
        status: Tree = {"user": {}} if user is None else {"authenticated": True, "user": _user_info(user)}
        return self._answer(request, tree, status)

    def _judge(self, user: User, spec: _Spec) -> Tree:
        resource, other = spec.resourceAttributes, spec.nonResourceAttributes
        if (resource is None) == (other is None):
            raise statuses.bad_request(
                "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            )
        if resource is not None:
            attributes = Attributes(**msgspec.structs.asdict(resource))
        else:
            assert other is not None
            attributes = Attributes(verb=other.verb, path=other.path)
        why = self._authorize(user, attributes)
        if why is None:
            return {"allowed": True}
        return {"allowed": False} | ({"reason": why} if why else {})

    def _answer(self, request: Request, tree: Tree, status: Tree) -> Answer:
        return show_tree(request, tree | {"status": status}, self._clock.now(), code=201)


async def _read(request: Request) -> tuple[Tree, _Spec]:
    tree = (await read_body(request)).tree
    check_type(request.target.resource, tree)
    return {"metadata": {}} | tree, read_message(_Review, tree, request.target.resource.kind).spec


def _user_info(user: User) -> Tree:
    info: Tree = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = msgspec.to_builtins(user.extra)
    return info
