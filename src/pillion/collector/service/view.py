"""What the service shows, and what it may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pillion.collector.status import FilterStatus, InputStatus, OutputStatus


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """The buffer on disk. All zero without one."""

    chunks: int = 0
    bytes: int = 0


class View(Protocol):
    """A running collector. Moments are seconds since the epoch."""

    @property
    def inputs(self) -> Sequence[InputStatus]: ...
    @property
    def filters(self) -> Sequence[FilterStatus]: ...
    @property
    def outputs(self) -> Sequence[OutputStatus]: ...
    @property
    def notices(self) -> dict[str, str]: ...
    @property
    def storage(self) -> Storage: ...
    @property
    def unrouted(self) -> int:
        """Records that no output takes."""

    @property
    def started(self) -> float: ...
    @property
    def now(self) -> float: ...
    @property
    def is_stopping(self) -> bool: ...
    @property
    def reloads(self) -> int:
        """How often another configuration took over."""

    @property
    def is_reloading(self) -> bool: ...
    @property
    def may_reload(self) -> bool:
        """`hot_reload` is on."""

    async def reload(self) -> str:
        """What is wrong with the new configuration, which is not used then; empty when it runs."""
