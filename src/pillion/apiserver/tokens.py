"""TokenRequest: a ServiceAccount's token, asked for by POST to its `token` subresource."""

from __future__ import annotations

import msgspec

from pillion.apiserver.decoding import read_message, without_nulls
from pillion.apiserver.negotiation import read_body
from pillion.apiserver.reading import show_tree
from pillion.apiserver.requests import Request
from pillion.apiserver.responding import Answer
from pillion.apiserver.seams import IssueToken
from pillion.apiserver.writes import Writes
from pillion.clock import Clock


class _Reference(msgspec.Struct, frozen=True):
    kind: str = ""
    apiVersion: str = ""
    name: str = ""
    uid: str = ""


class _Spec(msgspec.Struct, frozen=True):
    audiences: tuple[str, ...] = ()
    expirationSeconds: int = 0
    boundObjectRef: _Reference | None = None


class _Request(msgspec.Struct, frozen=True):
    spec: _Spec = _Spec()


class TokenRequests:
    def __init__(self, writes: Writes, issue: IssueToken, clock: Clock) -> None:
        self._writes = writes
        self._issue = issue
        self._clock = clock

    async def create(self, request: Request) -> Answer:
        """Raises ApiError."""
        target = request.target
        account = self._writes.read(target.resource, target.namespace, target.name)
        asked = without_nulls((await read_body(request)).tree) if request.body else {}
        read_message(_Request, asked, "TokenRequest")
        tree = await self._issue(target.namespace, msgspec.json.decode(account.value), asked)
        return show_tree(request, tree, self._clock.now(), code=201)
