"""A request, read: which resource, which verb, which options (apiserver: endpoints/request/requestinfo.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.registry import Registry, Resource
from pillion.apiserver.seams import User
from pillion.objects import FieldError
from pillion.objects.fielderrors import Path, invalid, not_supported

Tree = dict[str, Any]
Query = Mapping[str, tuple[str, ...]]

_WORDS_OF_TRUTH = ("", "1", "t", "T", "true", "TRUE", "True")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a path names."""

    resource: Resource
    namespace: str = ""
    """Empty for all of them, and for cluster-scoped resources."""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows the subresource, without its slash: for proxy."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """All that the verbs need to know of a request, its body read."""

    verb: str
    target: Target
    query: Query
    user: User
    accept: str
    content_type: str
    user_agent: str
    body: bytes = b""
    warnings: list[str]
    """For `Warning:` headers; the verbs append."""

    def option(self, name: str) -> str:
        """The first value of a query parameter, or nothing."""
        return self.query.get(name, ("",))[0]

    def flag(self, name: str) -> bool:
        """A boolean parameter as apimachinery reads it: present and not false."""
        return name in self.query and self.query[name][0] in _WORDS_OF_TRUTH

    def number(self, name: str) -> int | None:
        """An integer parameter; None when it is absent or empty."""
        text = self.option(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise statuses.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None

    @property
    def is_dry_run(self) -> bool:
        return "dryRun" in self.query

    @property
    def field_manager(self) -> str:
        """Given, or the program's name from its User-Agent (endpoints/handlers/create.go: managerOrUserAgent)."""
        given = self.option("fieldManager")
        return given or (self.user_agent.split("/", 1)[0] or "unknown")[:128]

    @property
    def field_validation(self) -> str:
        return self.option("fieldValidation") or "Warn"


def parse_query(text: bytes) -> Query:
    values: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(text.decode("latin-1"), keep_blank_values=True):
        values[name] = (*values.get(name, ()), value)
    return values


def parse_target(registry: Registry, path: str) -> Target | None:
    """The resource a path names, or None: it is discovery, or nothing of ours."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    # `namespaces/NAME/finalize` is a Namespace's subresource; every other third part is a resource inside.
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in ("finalize", "status"):
        namespace, rest = rest[1], rest[2:]
    resource = registry.find(group, version, rest[0])
    if resource is None or (namespace and not resource.namespaced):
        return None
    return Target(
        resource=resource,
        namespace=namespace,
        name=rest[1] if len(rest) > 1 else "",
        subresource=rest[2] if len(rest) > 2 else "",
        rest="/".join(rest[3:]),
    )


def verb_of(method: str, target: Target, query: Query) -> str:
    if method in ("GET", "HEAD"):
        if target.subresource:
            return "get"
        if query.get("watch", ("0",))[0] in _WORDS_OF_TRUTH:
            return "watch"
        return "get" if target.name else "list"
    verb = _VERBS.get(method, "")
    return "deletecollection" if verb == "delete" and not target.name else verb


def check_write_options(request: Request) -> None:
    """dryRun, fieldValidation, fieldManager (apimachinery: meta/v1/validation). Raises ApiError."""
    errors: list[FieldError] = [
        not_supported(Path("dryRun"), value, ("All",))
        for value in request.query.get("dryRun", ())
        if value != "All"
    ]
    validation = request.option("fieldValidation")
    if validation not in ("", "Ignore", "Warn", "Strict"):
        errors.append(not_supported(Path("fieldValidation"), validation, ("", "Ignore", "Strict", "Warn")))
    if len(request.option("fieldManager")) > 128:
        errors.append(
            invalid(Path("fieldManager"), request.option("fieldManager"), "may not be more than 128 bytes")
        )
    if errors:
        kind = {"create": "CreateOptions", "patch": "PatchOptions"}.get(request.verb, "UpdateOptions")
        raise statuses.invalid(kind, "", errors, group="meta.k8s.io")
