"""Questions that are asked by POST and answered at once: may I, who am I (authorization, authentication)."""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.decoding import check_type
from pillion.apiserver.negotiation import decode_body
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


class Reviews:
    def __init__(self, authenticate: Authenticate, authorize: Authorize, clock: Clock) -> None:
        self._authenticate = authenticate
        self._authorize = authorize
        self._clock = clock

    async def self_access(self, request: Request) -> Answer:
        """SelfSubjectAccessReview: `kubectl auth can-i`."""
        tree = _read(request)
        return self._answer(request, tree, self._judge(request.user, tree))

    async def subject_access(self, request: Request) -> Answer:
        """SubjectAccessReview and its local form, about somebody else."""
        tree = _read(request)
        spec = tree.get("spec") or {}
        user = User(name=spec.get("user") or "", groups=tuple(spec.get("groups") or ()))
        return self._answer(request, tree, self._judge(user, tree))

    async def self_rules(self, request: Request) -> Answer:
        """SelfSubjectRulesReview: `kubectl auth can-i --list`. All or, as far as one can tell here, nothing."""
        tree = _read(request)
        namespace = (tree.get("spec") or {}).get("namespace") or ""
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
        tree = _read(request)
        user = self._authenticate(f"Bearer {(tree.get('spec') or {}).get('token', '')}")
        status: Tree = {"user": {}} if user is None else {"authenticated": True, "user": _user_info(user)}
        return self._answer(request, tree, status)

    def _judge(self, user: User, tree: Tree) -> Tree:
        spec: Tree = tree.get("spec") or {}
        resource: Tree | None = spec.get("resourceAttributes")
        other: Tree = spec.get("nonResourceAttributes") or {}
        if (resource is None) != ("nonResourceAttributes" in spec):
            raise statuses.bad_request(
                "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            )
        if resource is not None:
            known = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
            attributes = Attributes(**{"verb": "", **{name: resource.get(name) or "" for name in known}})
        else:
            attributes = Attributes(verb=other.get("verb") or "", path=other.get("path") or "")
        why = self._authorize(user, attributes)
        if why is None:
            return {"allowed": True}
        return {"allowed": False} | ({"reason": why} if why else {})

    def _answer(self, request: Request, tree: Tree, status: Tree) -> Answer:
        return show_tree(request, tree | {"status": status}, self._clock.now(), code=201)


def _read(request: Request) -> Tree:
    tree = decode_body(request.content_type, request.body).tree
    check_type(request.target.resource, tree)
    return {"metadata": {}} | tree


def _user_info(user: User) -> Tree:
    info: Tree = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = msgspec.to_builtins(user.extra)
    return info
