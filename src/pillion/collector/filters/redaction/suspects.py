"""Which lines of a chunk may have anything that is looked for, without decoding them.

Every test here lets through more than the detectors find: a line that none of them notices is clean. What JSON may
escape without need (`\\u0040` for `@`) makes a line suspect by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from pillion.collector.filters.redaction.detectors import Kind
from pillion.collector.filters.redaction.names import GENAI_ROOT

Spans = Iterator[tuple[int, int]]

# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
# A pattern that begins with digits tries at every digit of a chunk. Their shapes are words in a picture of it, and are
# found in it as fast as any word.


def _picture() -> bytes:
    """Digits become 0, capitals A, separators of groups -; dots and lines stay, the rest is x."""
    table = bytearray(b"x" * 256)
    for characters, symbol in (
        (b"0123456789", b"0"),
        (bytes(range(ord("A"), ord("Z") + 1)), b"A"),
        (b" -/()", b"-"),
    ):
        for character in characters:
            table[character] = symbol[0]
    for character in b".\n":
        table[character] = character
    return bytes(table)


_PICTURE = _picture()
_PHONE_SHAPES = (b"00-000", b"00-00-00-00-00", b"000.000.0000", b"00.00.00.00.00")
_CARD_SHAPES = (b"0" * 13, b"0000-0000", b"0000-000000")
_IBAN_SHAPE = b"AA00"
_CARD = re.compile(rb"[2-68](?:[ \-]?[0-9]){12}")
_IBAN = re.compile(rb"[A-Z]{2}[0-9]{2}(?:[ \-]?[A-Z0-9]){11}")
_PLUS = re.compile(rb"\+\(?[1-9](?:[ .\-/()]{0,3}[0-9]){6}")
_NATIONAL = re.compile(
    rb"[2-9][0-9]{2}\)?[ .\-]?[2-9][0-9]{2}[ .\-][0-9]{4}|0[1-9](?:[ .\-][0-9]{2}){4}|0[1-9][0-9]{1,4}\)?[ /\-][0-9]{3}"
)
_IPV4 = re.compile(rb"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_IPV6 = re.compile(rb":[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:[0-9a-fA-F]|::")

# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────
_TOKENS = (
    re.compile(rb"_(?=[A-Za-z0-9+/=\\]{16})"),
    re.compile(rb"-(?<=at-|sk-|pp-|pi-|PX-|xa-|xb-|xc-|xe-|xo-|xp-|xr-|xs-)(?=[A-Za-z0-9_\-]{10})"),
    re.compile(rb"A(?:[KSB]IA|CCA)[A-Z0-9]{16}|AIza"),
    re.compile(rb"J(?<=eyJ)"),
    re.compile(rb"G(?<=SG)\."),
    re.compile(rb"Y(?<=PRIVATE KEY)"),
    re.compile(rb"\.(?<=ya29\.)"),
    re.compile(rb"hooks\.slack\.com"),
    re.compile(rb"@(?<=[^\s/@\"'<>]@)"),
)
"""Each begins with one byte that is rare."""
_ESCAPED = re.compile(rb"\\u00[2-7]")
"""A printable ASCII character that has an escape."""

# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────
_ASSIGNED = rb"[\\\"' \trtu0-9]{0,64}[:=]"
"""What may stand between a name and its value: quotes, escapes of quotes and tabs, blanks."""
_BEFORE_KEY = re.compile(rb"(?:api|access|private|secret|auth|account|shared|encryption|signing)[_\-. ]?\Z")
_WORDS = {
    word: re.compile(pattern + _ASSIGNED)
    for word, pattern in (
        (b"pass", rb"pass(?:w(?:or)?d|phrase|code|_?word)?"),
        (b"pwd", rb"pwd"),
        (b"secret", rb"secret"),
        (b"token", rb"token"),
        (b"key", rb"key"),
        (b"authorization", rb"authorization"),
        (b"credential", rb"credentials?"),
        (b"session", rb"session[_\-]?id"),
        (b"cookie", rb"cookie"),
        (b"jwt", rb"jwt"),
    )
}
"""In lower case, each with what makes it a name that something is assigned to."""
_SCHEMES = {word: re.compile(word + rb" {1,3}[a-z0-9._~+/\\\-]{8}") for word in (b"bearer", b"basic")}


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    kinds: frozenset[str]
    names: frozenset[str] = frozenset()
    """Names of fields, in lower case, whose values are replaced."""
    genai: bool = True
    everything: bool = False
    """Something is looked for that nobody can tell from bytes."""

    def lines(self, data: bytes) -> list[tuple[int, int]]:
        """Where the suspect lines begin and end (before their `\\n`), in order."""
        return list(_every_line(data)) if self.everything else sorted(set(self._spans(data)))

    def _spans(self, data: bytes) -> Spans:
        kinds = self.kinds
        yield from _matching(data, _ESCAPED)
        if Kind.EMAIL in kinds:
            yield from _with(data, b"@")
        if Kind.IP in kinds:
            yield from _matching(data, _IPV4)
            yield from _matching(data, _IPV6)
        if kinds & {Kind.PHONE, Kind.CARD, Kind.IBAN}:
            yield from self._numbers(data)
        if Kind.TOKEN in kinds:
            for pattern in _TOKENS:
                yield from _matching(data, pattern)
        if self.names or kinds & {Kind.SECRET, Kind.TOKEN}:
            yield from self._words(data.lower())
        if self.genai:
            yield from _with(data, GENAI_ROOT.encode())

    def _numbers(self, data: bytes) -> Spans:
        picture = data.translate(_PICTURE)
        if Kind.PHONE in self.kinds:
            yield from _confirmed(data, _with(data, b"+"), _PLUS)
            for shape in _PHONE_SHAPES:
                yield from _confirmed(data, _with(picture, shape), _NATIONAL)
        if Kind.CARD in self.kinds:
            for shape in _CARD_SHAPES:
                yield from _confirmed(data, _with(picture, shape), _CARD)
        if Kind.IBAN in self.kinds:
            yield from _confirmed(data, _with(picture, _IBAN_SHAPE), _IBAN)

    def _words(self, lowered: bytes) -> Spans:
        for name in self.names:
            yield from _with(lowered, name.encode())
        if Kind.SECRET in self.kinds:
            for word, pattern in _WORDS.items():
                for position in _places(lowered, word, pattern):
                    if (
                        word != b"key"
                        or _BEFORE_KEY.search(lowered, max(0, position - 12), position) is not None
                    ):
                        yield _line_at(lowered, position)
        if Kind.TOKEN in self.kinds:
            for word, pattern in _SCHEMES.items():
                for position in _places(lowered, word, pattern):
                    yield _line_at(lowered, position)


def _every_line(data: bytes) -> Spans:
    start = 0
    while start < len(data):
        end = data.index(b"\n", start)
        yield start, end
        start = end + 1


def _with(data: bytes, needle: bytes) -> Spans:
    """Lines that have `needle`."""
    position = data.find(needle)
    while position >= 0:
        start, end = _line_at(data, position)
        yield start, end
        position = data.find(needle, end + 1)


def _confirmed(data: bytes, lines: Spans, pattern: re.Pattern[bytes]) -> Spans:
    return ((start, end) for start, end in lines if pattern.search(data, start, end) is not None)


def _matching(data: bytes, pattern: re.Pattern[bytes]) -> Spans:
    """Lines that have a match; patterns do not look beyond a line's end."""
    position = 0
    while (found := pattern.search(data, position)) is not None:
        start, end = _line_at(data, found.start())
        yield start, end
        position = end + 1


def _places(data: bytes, word: bytes, pattern: re.Pattern[bytes]) -> Iterator[int]:
    """Where `word` begins a match."""
    position = data.find(word)
    while position >= 0:
        if pattern.match(data, position) is not None:
            yield position
        position = data.find(word, position + 1)


def _line_at(data: bytes, position: int) -> tuple[int, int]:
    return data.rfind(b"\n", 0, position) + 1, data.index(b"\n", position)
