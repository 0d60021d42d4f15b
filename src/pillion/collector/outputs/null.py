"""The null output: takes everything and keeps nothing (plugins/out_null/null.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pillion.collector.configuration.settings import OutputSettings
from pillion.collector.plugin import Delivered, OutputPlugin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.collector.plugin import OutputContext, Verdict
    from pillion.collector.records import Content

_LIMIT_BYTES = 8 << 20


class NullSettings(OutputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("format", "json_date_key", "json_date_format"),
        "Fluent Bit formats what it throws away, to measure the formatting",
    )


class Null:
    def deliver(self, tag: str, content: Content) -> Verdict:  # noqa: ARG002 - the protocol's signature
        return Delivered()

    def interrupt(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""

    @property
    def limit_bytes(self) -> int:
        return _LIMIT_BYTES


def build(settings: NullSettings, context: OutputContext) -> Null:  # noqa: ARG001 - every plugin's signature
    return Null()


PLUGIN = OutputPlugin(name="null", settings=NullSettings, build=build)
