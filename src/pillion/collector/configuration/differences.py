"""What works in another way than in Fluent Bit, for one configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pillion.collector.configuration.configured import Difference
from pillion.collector.configuration.conversion import Key, keys_of, place_of
from pillion.collector.configuration.document import Section
from pillion.collector.configuration.settings import Kind, named


def differences_of(settings: msgspec.Struct, section: Section, title: str) -> Iterator[Difference]:
    """Defaults that are not Fluent Bit's and that the section leaves as they are; keys that do nothing here."""
    written = {prop.key for prop in section.properties}
    for known in keys_of(type(settings)):
        value = known.value_in(settings)
        if known.differs is None or written & set(known.names) or not _matters(known, settings):
            continue
        yield Difference(
            place=section.place,
            subject=f"{title}: {known.name}",
            ours=show(known, value),
            fluent_bit=known.differs.fluent_bit,
            why=known.differs.why,
        )
    for part in type(settings).__mro__:
        for subject, (ours, differs) in vars(part).get("behaves", {}).items():
            yield Difference(
                place=section.place,
                subject=f"{title}: {subject}",
                ours=ours,
                fluent_bit=differs.fluent_bit,
                why=differs.why,
            )
    without_effect = named(type(settings), "without_effect")
    for name in sorted(written & without_effect.keys()):
        yield Difference(
            place=place_of(section, name),
            subject=f"{title}: {name}",
            ours="without effect",
            fluent_bit="has an effect",
            why=without_effect[name],
        )


def _matters(known: Key, settings: msgspec.Struct) -> bool:
    holder = getattr(settings, known.group) if known.group else settings
    return known.differs is not None and (not known.differs.when or bool(getattr(holder, known.differs.when)))


def show(known: Key, value: Any) -> str:
    """A value as one would write it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}{'s' if known.kind is Kind.SECONDS else ''}"
    if known.kind is Kind.SIZE and isinstance(value, int):
        return _size(value, 1000) if value % 1000 == 0 else _size(value, 1024)
    if known.kind is Kind.BINARY_SIZE and isinstance(value, int):
        return _size(value, 1024)
    return str(value) if value not in ("", None) else "none"


def _size(value: int, base: int) -> str:
    units = ("", "k", "M", "G") if base == 1000 else (" bytes", " KiB", " MiB", " GiB")
    power = 0
    while value and value % base == 0 and power < len(units) - 1:
        value //= base
        power += 1
    return f"{value}{units[power]}"
