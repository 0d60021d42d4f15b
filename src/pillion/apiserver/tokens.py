"""TokenRequest: a ServiceAccount's token, asked for by POST to its `token` subresource."""

from __future__ import annotations

import msgspec

from pillion.apiserver.negotiation import read_body
from pillion.apiserver.reading import show_tree
from pillion.apiserver.requests import Request
from pillion.apiserver.responding import Answer
from pillion.apiserver.seams import IssueToken
from pillion.apiserver.writes import Writes
from pillion.clock import Clock


class TokenRequests:
    def __init__(self, writes: Writes, issue: IssueToken, clock: Clock) -> None:
        self._writes = writes
        self._issue = issue
        self._clock = clock

    async def create(self, request: Request) -> Answer:
        """Raises ApiError."""
        target = request.target
        account = self._writes.read(target.resource, target.namespace, target.name)
        asked = (await read_body(request)).tree if request.body else {}
        tree = await self._issue(target.namespace, msgspec.json.decode(account.value), asked)
        return show_tree(request, tree, self._clock.now(), code=201)
