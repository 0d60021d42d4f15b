"""What the API server is given: who asks, who may, who has a last word on a write, and who carries streams.

Plugged in by the daemon; the tests plug in their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec
from starlette.types import Receive, Scope, Send

from pillion.apiserver.nodeproxy import NodeProxy
from pillion.apiserver.registry import Resource

Tree = dict[str, Any]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks (authentication/user: Info)."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = {}


SYSTEM = User(name="system:apiserver", groups=("system:masters",))
"""pillion itself: its node and its controllers."""


class Authenticate(Protocol):
    def __call__(self, authorization: str | None) -> User | None:
        """Who sent this `Authorization` header; None for nobody we know."""


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for (authorization/v1: ResourceAttributes, NonResourceAttributes)."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    """Of a request that is for no resource."""


class Authorize(Protocol):
    def __call__(self, user: User, attributes: Attributes) -> str | None:
        """Why the user may not, as the end of a sentence, possibly empty; None when they may."""


class Operation(StrEnum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


class AdmissionRequest(msgspec.Struct, frozen=True, kw_only=True):
    operation: Operation
    resource: Resource
    subresource: str = ""
    namespace: str
    name: str
    """Empty when the name is to be generated."""
    object: Tree | None
    """With its defaults, before validation. None for a deletion."""
    old: Tree | None
    user: User
    dry_run: bool = False
    warnings: list[str]
    """A plugin appends what the client should be told."""


class Admission(Protocol):
    async def admit(self, request: AdmissionRequest) -> Tree | None:
        """The object to go on with: the same one, or another; never changed in place. Raises ApiError to refuse."""


class IssueToken(Protocol):
    async def __call__(self, namespace: str, account: Tree, request: Tree) -> Tree:
        """The TokenRequest of a ServiceAccount, its status filled in. Raises ApiError."""


class StreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a subresource that is a conversation: log, exec, attach, portforward, proxy."""

    resource: Resource
    subresource: str
    name: str
    """As the client's path has it: for proxy, perhaps with a scheme and a port (proxynames)."""
    object: Tree
    """The Pod or Node."""
    path: str
    """Below the subresource, for proxy: without a leading slash."""
    query: Mapping[str, tuple[str, ...]]
    node: NodeProxy
    scope: Scope
    receive: Receive
    send: Send


class Streams(Protocol):
    async def __call__(self, request: StreamRequest) -> None:
        """Answers the whole request. Raises ApiError before the first byte."""
