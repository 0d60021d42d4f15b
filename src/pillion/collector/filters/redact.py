"""The redact filter: what must not leave the Pod is replaced. Ours.

Only lines that may have something are decoded; all others pass as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pillion.collector.configuration.failure import ConfigurationError, nearest
from pillion.collector.configuration.settings import FilterSettings, Kind, key
from pillion.collector.filters.fieldnames import configured_regex
from pillion.collector.filters.redaction.detectors import DETECTORS, Detector, found_by
from pillion.collector.filters.redaction.detectors import Kind as Sought
from pillion.collector.filters.redaction.names import KEY, is_genai_content, is_secret_name
from pillion.collector.filters.redaction.redactor import Redactor
from pillion.collector.filters.redaction.suspects import Suspicion
from pillion.collector.filters.stateless import Stateless
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import Content, Lines, Records, Texts, as_records, decode_body, encode_body
from pillion.collector.records.bodies import encode_bodies

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN_NAME = re.compile(r"[a-z0-9_.\- ]+")
"""JSON has no need to escape these."""
_LEAST_KEY = 16
"""Bytes of a key that cannot be guessed."""


class RedactSettings(FilterSettings, frozen=True, kw_only=True):
    types: Annotated[
        tuple[str, ...],
        key(
            kind=Kind.LIST,
            help=f"what to look for, of {', '.join(Sought)}; `none`: by the names of fields only",
        ),
    ] = tuple(Sought)
    keys: Annotated[
        tuple[str, ...],
        key(kind=Kind.LIST, help="fields whose values are always replaced, at any depth, in any case"),
    ] = ()
    ignore_keys: Annotated[
        tuple[str, ...], key(kind=Kind.LIST, help="fields that are left alone, at any depth, in any case")
    ] = ()
    allow: Annotated[
        tuple[str, ...],
        key(repeated=True, help="a pattern; what matches it from end to end is left alone"),
    ] = ()
    pattern: Annotated[
        tuple[tuple[str, ...], ...],
        key(
            kind=Kind.WORDS,
            words=2,
            repeated=True,
            help="something else to look for: its name and a pattern. Every record is decoded then",
        ),
    ] = ()
    action: Annotated[
        Literal["mask", "hash"],
        key(help="`[redacted:email]`, or with a keyed hash that tells one value from another"),
    ] = "mask"
    hash_key: Annotated[str, key(secret=True, help="the hash's key, at least 16 bytes")] = ""
    hash_key_file: Annotated[str, key(help="the file with the hash's key")] = ""
    genai: Annotated[
        Literal["drop", "keep"],
        key(help="attributes with what people and models said (gen_ai.input.messages, …)"),
    ] = "drop"

    def __post_init__(self) -> None:
        for name in self.types:
            if name.lower() not in (*Sought, "none"):
                raise ValueError(
                    f"types: {name!r} is not one of {', '.join((*Sought, 'none'))}{nearest(name, Sought)}"
                )
        if any(len(words) != len(("name", "pattern")) for words in self.pattern):
            raise ValueError("pattern: wants a name and a pattern, as in `customer C-[0-9]{8}`")
        if self.action == "hash" and not (self.hash_key or self.hash_key_file):
            raise ValueError("hash_key is missing: without a key anybody could try all values")
        if self.hash_key and self.hash_key_file:
            raise ValueError("hash_key and hash_key_file cannot be used together")

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.types) & frozenset(Sought)


class Redact(Stateless):
    def __init__(self, redactor: Redactor, suspicion: Suspicion) -> None:
        self._redactor = redactor
        self._suspicion = suspicion
        self._narrow: dict[frozenset[str], Redactor] = {}
        """Redactors by what lines may have."""

    def filter(self, tag: str, content: Content, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        match content:
            case Lines():
                return Filtered(content=self._lines(content))
            case Texts():
                data = self._without(content.data, _redacted_text)
                return Filtered(content=content if data is content.data else _with_data(content, data))
            case Records():
                return Filtered(content=self._records(content))

    def _for(self, kinds: frozenset[str] | None) -> Redactor:
        if kinds is None:
            return self._redactor
        narrow = self._narrow.get(kinds)
        if narrow is None:
            narrow = self._narrow[kinds] = self._redactor.only(kinds)
        return narrow

    def _lines(self, lines: Lines) -> Content:
        key_ = lines.key
        if is_genai_content(key_) or is_secret_name(key_) or key_.lower() in self._redactor.keys:
            return self._records(as_records(lines))

        def redacted(redactor: Redactor, line: bytes) -> bytes:
            return str(redactor.field(key_, line.decode())).encode()

        data = self._without(lines.data, redacted)
        return lines if data is lines.data else Lines(data=data, time=lines.time, key=key_)

    def _without(self, data: bytes, redacted: Callable[[Redactor, bytes], bytes]) -> bytes:
        """`data` itself if nothing of it is suspect."""
        parts: list[bytes] = []
        position = 0
        for start, end, kinds in self._suspicion.lines(data):
            parts += (data[position:start], redacted(self._for(kinds), data[start:end]))
            position = end
        return data if not parts else b"".join([*parts, data[position:]])

    def _records(self, records: Records) -> Records:
        data = encode_bodies(records.bodies)
        bodies = list(records.bodies)
        number = position = 0
        for start, _, kinds in self._suspicion.lines(data):
            number += data.count(b"\n", position, start)
            position = start
            bodies[number] = self._for(kinds).body(bodies[number])
        return Records(times=records.times, bodies=bodies)


def _redacted_text(redactor: Redactor, line: bytes) -> bytes:
    """Written anew even if nothing was found: what a reader does not see (the first of two members of a name) is gone
    as well."""
    return encode_body(redactor.body(decode_body(line)))


def _with_data(texts: Texts, data: bytes) -> Texts:
    return Texts(data=data, times=texts.times)


def build(settings: RedactSettings, context: FilterContext) -> Filter:
    def count(kind: str) -> None:
        context.status.found[kind] = context.status.found.get(kind, 0) + 1

    names = frozenset(map(str.lower, settings.keys))
    kinds = settings.kinds
    redactor = Redactor(
        detectors=(*(each for each in DETECTORS if each.kind in kinds), *_own_detectors(settings)),
        keys=names,
        ignored=frozenset(map(str.lower, settings.ignore_keys)),
        by_name=Sought.SECRET in kinds,
        drops_genai=settings.genai == "drop",
        allowed=tuple(configured_regex(each, f"{settings.place}: allow").pattern for each in settings.allow),
        hash_key=_hash_key(settings, context) if settings.action == "hash" else None,
        found=count,
    )
    suspicion = Suspicion(
        kinds=kinds,
        names=names,
        genai=settings.genai == "drop",
        always=frozenset(words[0] for words in settings.pattern) | _untold(names),
    )
    return Redact(redactor, suspicion)


def _untold(names: frozenset[str]) -> frozenset[str]:
    return frozenset() if all(map(_PLAIN_NAME.fullmatch, names)) else frozenset({KEY})


def _own_detectors(settings: RedactSettings) -> tuple[Detector, ...]:
    return tuple(
        Detector(kind=name, spans=found_by(configured_regex(pattern, f"{settings.place}: pattern").pattern))
        for name, pattern in settings.pattern
    )


def _hash_key(settings: RedactSettings, context: FilterContext) -> bytes:
    if settings.hash_key:
        found = settings.hash_key.encode()
    else:
        path = context.folder / settings.hash_key_file
        try:
            found = path.read_bytes().strip()
        except OSError as error:
            raise ConfigurationError(
                f"{settings.place}: hash_key_file: cannot read {path}: {error.strerror}"
            ) from error
    if len(found) < _LEAST_KEY:
        raise ConfigurationError(f"{settings.place}: hash_key: it has fewer than {_LEAST_KEY} bytes")
    return found


PLUGIN = FilterPlugin(name="redact", settings=RedactSettings, build=build)
