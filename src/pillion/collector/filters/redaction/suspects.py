"""Which lines of a chunk may have anything that is looked for, without decoding them.

Every test here lets through more than the detectors find: a line that none of them notices is clean. What JSON may
escape without need (`\\u0040` for `@`) makes a line suspect by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import msgspec

from pillion.collector.filters.redaction.credentials import TOKEN_NEEDLES
from pillion.collector.filters.redaction.detectors import Kind
from pillion.collector.filters.redaction.names import GENAI, GENAI_ROOT, KEY
from pillion.collector.records.searching import contains

Spans: TypeAlias = Iterator[tuple[int, int]]
Suspect: TypeAlias = tuple[int, int, frozenset[str] | None]
"""Where a line begins, where it ends (before its `\\n`), and the kinds it may have; None: any."""

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
_BEFORE, _AFTER, _STRIDE = 64, 84, 20
"""No number is longer than 44 characters: so far around a shape it is looked for, and then not before a stride."""
_BEGINS = rb"(?:(?<![0-9A-Za-z])|(?<=\\[bfnrt]))"
"""A number begins after no letter or digit, unless that is an escape's."""
_CARD = rb"[2-68](?:[ \-]?[0-9]){12}"
_NATIONAL = (
    rb"(?:[2-9][0-9]{2}\)?[ .\-]?[2-9][0-9]{2}[ .\-][0-9]{4}|0[1-9](?:[ .\-][0-9]{2}){4}|"
    rb"0[1-9][0-9]{1,4}\)?[ /\-][0-9]{3})"
)
_IBAN = re.compile(rb"[A-Z]{2}[0-9]{2}(?:[ \-]?[A-Z0-9]){11}")
_PLUS = re.compile(rb"\+\(?[1-9](?:[ .\-/()]{0,3}[0-9]){6}")
_UNICODE = b"\\u"
_STRICT_AND_LOOSE = {each: (re.compile(_BEGINS + each), re.compile(each)) for each in (_CARD, _NATIONAL)}
"""The second for lines in which the digit before a number may be that of a `\\u00e9`."""
_IPV4 = re.compile(rb"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_IPV6 = re.compile(rb":[0-9a-fA-F]{0,4}:(?:[0-9a-fA-F]{0,4}:[0-9a-fA-F]|(?<=::))")

# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────
_LONG = rb"[A-Za-z0-9_\-.+/=\\]{10}"
_SHORT = ("PRIVATE KEY", "AIza", "hooks.slack.com", "SG.", "eyJ")
_TOKENS = {
    needle: re.compile(re.escape(needle) + (b"" if needle.decode() in _SHORT else _LONG))
    for needle in map(str.encode, TOKEN_NEEDLES)
}
"""Each with what makes it more than a part of a word."""
_IN_URL = re.compile(rb":\\?/\\?/[^/@\s\"]{1,520}@")
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
    always: frozenset[str] = frozenset()
    """Kinds that nobody can tell from bytes: every line may have them."""

    def lines(self, data: bytes) -> list[Suspect]:
        """The suspect lines, in order."""
        found: dict[tuple[int, int], set[str]] = {}
        if self.always:
            found = {line: set(self.always) for line in _every_line(data)}
        for kind, lines in self._kinds(data):
            for line in lines:
                found.setdefault(line, set()).add(kind)
        for line in _matching(data, _ESCAPED):
            found.setdefault(line, set()).add(_ANYTHING)
        return [
            (start, end, None if _ANYTHING in kinds else frozenset(kinds))
            for (start, end), kinds in sorted(found.items())
        ]

    def _kinds(self, data: bytes) -> Iterator[tuple[str, Spans]]:
        kinds = self.kinds
        if Kind.EMAIL in kinds:
            yield Kind.EMAIL, _with(data, b"@")
        if Kind.IP in kinds:
            yield Kind.IP, _matching(data, _IPV4)
            yield Kind.IP, _matching(data, _IPV6)
        if kinds & {Kind.PHONE, Kind.CARD, Kind.IBAN}:
            yield from self._numbers(data)
        if Kind.TOKEN in kinds:
            for needle, pattern in _TOKENS.items():
                yield Kind.TOKEN, _where(data, needle, partial(pattern.match, data))
            yield Kind.TOKEN, _confirmed(data, _with(data, b"@"), _IN_URL)
        if self.names or kinds & {Kind.SECRET, Kind.TOKEN}:
            yield from self._words(data.lower())
        if self.genai:
            yield GENAI, _with(data, GENAI_ROOT.encode())

    def _numbers(self, data: bytes) -> Iterator[tuple[str, Spans]]:
        picture = data.translate(_PICTURE)
        if Kind.PHONE in self.kinds:
            if b"+" in data:
                yield Kind.PHONE, _matching(data, _PLUS)
            for shape in _PHONE_SHAPES:
                yield Kind.PHONE, _near(data, picture, shape, *_STRICT_AND_LOOSE[_NATIONAL])
        if Kind.CARD in self.kinds:
            for shape in _CARD_SHAPES:
                yield Kind.CARD, _near(data, picture, shape, *_STRICT_AND_LOOSE[_CARD])
        if Kind.IBAN in self.kinds:
            yield Kind.IBAN, _near(data, picture, _IBAN_SHAPE, _IBAN, _IBAN)

    def _words(self, lowered: bytes) -> Iterator[tuple[str, Spans]]:
        for name in self.names:
            yield KEY, _with(lowered, name.encode())
        if Kind.SECRET in self.kinds:
            for word, pattern in _WORDS.items():
                yield Kind.SECRET, _where(lowered, word, partial(_is_assigned, lowered, word, pattern))
        if Kind.TOKEN in self.kinds:
            for word, pattern in _SCHEMES.items():
                yield Kind.TOKEN, _where(lowered, word, partial(pattern.match, lowered))


_ANYTHING = ""


def _is_assigned(lowered: bytes, word: bytes, pattern: re.Pattern[bytes], position: int) -> bool:
    """Of keys only those that open something."""
    if pattern.match(lowered, position) is None:
        return False
    return word != b"key" or _BEFORE_KEY.search(lowered, max(0, position - 12), position) is not None


def _every_line(data: bytes) -> Spans:
    start = 0
    while start < len(data):
        end = data.index(b"\n", start)
        yield start, end
        start = end + 1


def _with(data: bytes, needle: bytes) -> Spans:
    """Lines that have `needle`."""
    position = _first(data, needle)
    while position >= 0:
        start, end = _line_at(data, position)
        yield start, end
        position = data.find(needle, end + 1)


def _confirmed(data: bytes, lines: Spans, pattern: re.Pattern[bytes]) -> Spans:
    return (line for line in lines if pattern.search(data, *line) is not None)


def _near(
    data: bytes, picture: bytes, shape: bytes, strict: re.Pattern[bytes], loose: re.Pattern[bytes]
) -> Spans:
    """Lines that have a match around something of this shape; patterns do not look beyond a line's end."""
    position = _first(picture, shape)
    searched = 0  # lines up to here are known
    while position >= 0:
        begin, end = max(searched, position - _BEFORE), position + _AFTER
        pattern = loose if data.find(_UNICODE, max(0, begin - len(_UNICODE)), end) >= 0 else strict
        found = pattern.search(data, begin, end)
        if found is None:
            position = picture.find(shape, position + _STRIDE)
        else:
            line = _line_at(data, found.start())
            yield line
            searched = line[1]
            position = picture.find(shape, max(position, searched))


def _matching(data: bytes, pattern: re.Pattern[bytes]) -> Spans:
    """Lines that have a match; patterns do not look beyond a line's end."""
    position = 0
    while (found := pattern.search(data, position)) is not None:
        start, end = _line_at(data, found.start())
        yield start, end
        position = end + 1


def _where(data: bytes, word: bytes, is_meant: Callable[[int], object]) -> Spans:
    """Lines that have `word` in a place that is meant."""
    position = _first(data, word)
    while position >= 0:
        if is_meant(position):
            line = _line_at(data, position)
            yield line
            position = line[1]
        position = data.find(word, position + 1)


def _first(data: bytes, needle: bytes) -> int:
    """As `data.find`, and much sooner when there is none."""
    return data.find(needle) if contains(data, needle) else -1


def _line_at(data: bytes, position: int) -> tuple[int, int]:
    return data.rfind(b"\n", 0, position) + 1, data.index(b"\n", position)
