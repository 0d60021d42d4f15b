"""What was read goes to the intake, each piece with a claim: its checkpoint may move once the claim is settled."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, assert_never
from weakref import WeakKeyDictionary

from pillion.collector.inputs.tail.shaping import Shape, shape_fragment, shape_run
from pillion.collector.inputs.tail.splitting import Fragment, Piece, Run, Skipped, marker_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.collector.inputs.tail.joining import Joined, Joiner
    from pillion.collector.inputs.tail.settling import Claim, Settling
    from pillion.collector.inputs.tail.tailer import Tailer, Truncated
    from pillion.collector.plugin import InputContext, Intake
    from pillion.collector.records import Content


class Handing:
    """`on_settled` is told of a file whenever something of it is settled, and whether its checkpoint moved."""

    def __init__(
        self,
        context: InputContext,
        shape: Shape,
        on_settled: Callable[[Tailer, bool], None],
        *,
        line_bytes: int,
    ) -> None:
        self._context = context
        self._shape = shape
        self._on_settled = on_settled
        self._line_bytes = line_bytes
        self._heirs: WeakKeyDictionary[Settling, Tailer] = WeakKeyDictionary()
        """Who keeps the checkpoint now of what was read before a truncation."""

    async def hand_over(self, tailer: Tailer, piece: Piece, settling: Settling, intake: Intake) -> None:
        """A piece of the file's present content."""
        if tailer.joiner.joins:
            if isinstance(piece, Run):
                await self._give(tailer, self._fed(tailer, tailer.joiner, piece), marker_of(piece), intake)
                return
            await self.flush(tailer, piece.start, intake)
        content = self._shaped(tailer, piece)
        claim = settling.claim(piece.end, marker_of(piece), self._context.clock.now())
        await self._put(tailer, content, settling, claim, intake)

    def pass_on(self, truncated: Truncated, copy: Tailer) -> None:
        """What was read before the truncation is in `copy` too: its checkpoint waits for it there."""
        self._heirs[truncated.settling] = copy

    async def hand_over_gone(self, tailer: Tailer, truncated: Truncated, intake: Intake) -> None:
        """The last line of content that is nowhere any more: no checkpoint waits for it."""
        contents = []
        joiner = truncated.joiner
        for piece in truncated.splitter.flush():
            if joiner.joins and isinstance(piece, Run):
                contents.append(self._fed(tailer, joiner, piece).content)
            else:
                contents.append(self._shaped(tailer, piece))
        if joiner.joins:
            contents.append(joiner.flush(self._shape, path=tailer.shown_path, end=0).content)
        for content in contents:
            if content is not None:
                await intake.put(tailer.tag, content)

    async def flush(self, tailer: Tailer, end: int, intake: Intake) -> None:
        """The message that is held, if lines are joined; the lines up to `end` were fed."""
        if tailer.joiner.joins:
            await self._give(
                tailer, tailer.joiner.flush(self._shape, path=tailer.shown_path, end=end), b"", intake
            )

    async def _give(self, tailer: Tailer, joined: Joined, marker: bytes, intake: Intake) -> None:
        """Joined messages; the checkpoint must not pass what is held."""
        self._context.status.long_lines += joined.truncated
        settling = tailer.settling
        end = max(joined.settled_to, settling.claimed)
        claim = settling.claim(end, marker, self._context.clock.now())
        await self._put(tailer, joined.content, settling, claim, intake)

    async def _put(
        self, tailer: Tailer, content: Content | None, settling: Settling, claim: Claim, intake: Intake
    ) -> None:
        """`claim` is settled when `content` is; without a content, at once."""
        settled = partial(self._settle, tailer, settling, claim)
        if content is None:
            settled()
            return
        tailer.status.oldest_unsent = settling.oldest
        await intake.put(tailer.tag, content, settled=settled)

    def _settle(self, tailer: Tailer, settling: Settling, claim: Claim) -> None:
        moved = settling.settle(claim)
        tailer = self._heirs.get(settling, tailer)
        if settling is tailer.settling:
            tailer.status.oldest_unsent = settling.oldest
            tailer.status.delivered_offset = settling.offset
            self._on_settled(tailer, moved)

    def _fed(self, tailer: Tailer, joiner: Joiner, run: Run) -> Joined:
        at = asyncio.get_running_loop().time()
        joined = joiner.feed(
            run, self._shape, tailer.encoding, path=tailer.shown_path, now=self._now(), at=at
        )
        self._context.status.invalid_utf8 += joined.invalid
        return joined

    def _shaped(self, tailer: Tailer, piece: Piece) -> Content | None:
        status = self._context.status
        match piece:
            case Run():
                shaped = shape_run(
                    piece, self._shape, tailer.encoding, path=tailer.shown_path, now=self._now()
                )
            case Fragment():
                status.long_lines += piece.is_last
                shaped = shape_fragment(
                    piece, self._shape, tailer.encoding, path=tailer.shown_path, now=self._now()
                )
            case Skipped():
                status.long_lines += piece.is_last
                self._context.notices.raise_(
                    f"{self._context.name} long lines of {tailer.shown_path}",
                    f"{tailer.shown_path} has lines of more than {self._line_bytes} bytes, which are left out or"
                    " cut as the configuration says",
                )
                return None
            case _:
                assert_never(piece)
        status.invalid_utf8 += shaped.invalid
        return shaped.content

    def _now(self) -> int:
        return int(self._context.clock.now() * 1_000_000_000)
