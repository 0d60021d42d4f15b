"""What inputs, filters and outputs are to the pipeline, and what they are given.

Each plugin lives in a module of its own that exports `PLUGIN`; `catalogue` finds it by Fluent Bit's name for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pillion.clock import Clock
    from pillion.collector.multiline import MultilineParser
    from pillion.collector.parsers import Parser
    from pillion.collector.records import Content
    from pillion.collector.status import FilterStatus, InputStatus, Notices, OutputStatus


# ── inputs ───────────────────────────────────────────────────────────────────────────────────────────────────────────
class Intake(Protocol):
    """Where an input puts its records. One per input."""

    async def put(self, tag: str, content: Content, *, settled: Callable[[], None] | None = None) -> None:
        """Hand `content` over; waits while the input's share of the buffer is full (backpressure).

        `settled` is called in the loop's thread, once, when every record of it needs no more care: each output that
        it was routed to has acknowledged it, put it to its dead letters or dropped it by a stated and counted policy;
        or it is on disk (`storage.type filesystem`, after fsync). Never before, and not at all when the process ends
        first.
        """


class Input(Protocol):
    async def run(self, intake: Intake, stopping: asyncio.Event) -> None:
        """Produce until `stopping` is set; then take what is there to its end (one last read), and return.

        Checkpoints go on moving after that, by `settled`, until `close`. Returning before `stopping` is set ends the
        collector, in order, as Fluent Bit's flb_engine_exit does (tail's `exit_on_eof`, the end of stdin). It may be
        cancelled when the time for the stop is over.
        """

    async def close(self) -> None:
        """Save what has to be saved (checkpoints) and let everything go. Called once, after the last `settled`."""


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class Filtered(msgspec.Struct, frozen=True, kw_only=True):
    """What a filter made of one chunk."""

    content: Content | None
    """What goes on under the same tag; None when nothing does."""
    emitted: tuple[tuple[str, Content], ...] = ()
    """Records under other tags; they start again at the first filter (Fluent Bit's emitter), marked so that the filter
    that emitted them does not see them again."""
    holds: bool = False
    """The filter keeps records of this or an earlier chunk for later: their source is not settled before a call that
    returns without `holds`."""
    holds_earlier: bool = True
    """With `holds`: some of them are of chunks before this one. False lets those be settled while this one is held, so
    that a filter which holds the end of every chunk does not hold up all of them."""


class Filter(Protocol):
    """Pure but for its own memory: records and the time go in, records come out."""

    def filter(self, tag: str, content: Content, now: int) -> Filtered:
        """`now` in nanoseconds since the epoch."""

    def flush(self, tag: str, now: int) -> Filtered:
        """Give out what was held for `tag`: its time is up, or the collector stops."""

    def wake_at(self) -> tuple[str, int] | None:
        """The tag whose held records are due first, and when; None when nothing is held."""


# ── outputs ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class Delivered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The other side has it, except for the `rejected`, which it will never take (they become dead letters)."""

    rejected: tuple[tuple[str, Content], ...] = ()
    """(reason, records)"""
    rejected_unseen: int = 0
    """Records the other side says that it rejected without saying which (OTLP's partial success). Counted only."""


class Again(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Not now. `remaining` is what is still to be sent (None: all of it)."""

    reason: str
    after: float | None = None
    """Seconds the other side asked us to wait (Retry-After); None leaves it to the backoff."""
    remaining: Content | None = None
    rejected: tuple[tuple[str, Content], ...] = ()
    rejected_unseen: int = 0
    """As in `Delivered`, of what was delivered before this."""


class TooLarge(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Send it in halves; a single record that is too large becomes a dead letter."""

    reason: str


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Never: all of it goes to the dead letters, with this reason."""

    reason: str


Verdict = Delivered | Again | TooLarge | Refused


class Output(Protocol):
    """One destination. `deliver` runs in a thread of the output's own and may wait for the other side."""

    def deliver(self, tag: str, content: Content) -> Verdict:
        """Take it over to the other side and return what it said. Raises nothing for what the other side or the network
        does; `interrupt` may end it early with `Again`.
        Other outputs may have the same `content`: it is not changed."""

    def interrupt(self) -> None:
        """End a `deliver` that waits, soon: the collector stops. Called from another thread."""

    def close(self) -> None:
        """Let connections and files go."""

    @property
    def limit_bytes(self) -> int:
        """The most bytes of content that one `deliver` should get (the pipeline joins chunks of one tag up to this)."""


# ── what they are given ──────────────────────────────────────────────────────────────────────────────────────────────
class Context(Protocol):
    """The surroundings of one plugin instance."""

    @property
    def name(self) -> str:
        """The instance's name: `tail.0`, or its alias."""

    @property
    def clock(self) -> Clock: ...

    @property
    def log(self) -> logging.Logger: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def folder(self) -> Path:
        """The folder of the configuration file: relative paths (parsers files, scripts) are looked for there."""

    @property
    def notices(self) -> Notices:
        """Things to be said once, loudly, and shown in the status while they last."""

    def parser(self, name: str) -> Parser:
        """A parser by name. Raises ConfigurationError, with the place that names it, when there is none."""

    def multiline_parser(self, name: str) -> MultilineParser: ...


class InputContext(Context, Protocol):
    @property
    def status(self) -> InputStatus: ...

    @property
    def checkpoint_folder(self) -> Path | None:
        """Where checkpoints live when the input names no `db` of its own; None: nowhere can be written."""

    @property
    def began(self) -> float | None:
        """When the collector's process began, in seconds since the epoch; None: it is not known."""


class FilterContext(Context, Protocol):
    @property
    def dropped(self) -> Callable[[int], None]:
        """Count records that the filter drops on purpose."""

    @property
    def status(self) -> FilterStatus: ...


class OutputContext(Context, Protocol):
    @property
    def status(self) -> OutputStatus: ...

    @property
    def concurrent(self) -> bool:
        """More than one worker calls `deliver` at the same time."""


SettingsT = TypeVar("SettingsT", bound=msgspec.Struct)


class InputPlugin(msgspec.Struct, Generic[SettingsT], frozen=True, kw_only=True):
    name: str
    settings: type[SettingsT]
    build: Callable[[SettingsT, InputContext], Input]


class FilterPlugin(msgspec.Struct, Generic[SettingsT], frozen=True, kw_only=True):
    name: str
    settings: type[SettingsT]
    build: Callable[[SettingsT, FilterContext], Filter]


class OutputPlugin(msgspec.Struct, Generic[SettingsT], frozen=True, kw_only=True):
    name: str
    settings: type[SettingsT]
    build: Callable[[SettingsT, OutputContext], Output]
