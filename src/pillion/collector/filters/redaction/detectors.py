"""What is looked for in a text, by kind.

Every pattern takes time that grows with the text's length only: runs of characters are possessive or bounded, and begin
where nothing of them stands before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum

import msgspec

from pillion.collector.filters.redaction.checksums import IBAN_LENGTHS, is_card, is_iban
from pillion.collector.filters.redaction.credentials import (
    bearer_spans,
    key_value_spans,
    token_spans,
    url_spans,
)

Span = tuple[int, int]


class Kind(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    IP = "ip"
    TOKEN = "token"  # noqa: S105 - a kind's name
    """API keys and the like, known by how they look."""
    SECRET = "secret"  # noqa: S105 - a kind's name
    """What stands after `password=` and the like."""


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    spans: Callable[[str], Iterator[Span]]
    """Where in a text, in order, none of them in another."""
    needles: tuple[str, ...] = ()
    """A text without any of these has nothing; none given: nobody knows."""


def found_by(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    return lambda text: (found.span() for found in pattern.finditer(text) if found[0])


# ── e-mail, phone ────────────────────────────────────────────────────────────────────────────────────────────────────
_OTHER = "\u00a1-\U0010ffff"
"""Letters of other scripts, and more that stands in no address."""
_EMAIL = re.compile(
    rf"(?<![A-Za-z0-9._%+\-{_OTHER}])[A-Za-z0-9._%+\-{_OTHER}]++@"
    rf"(?:[A-Za-z0-9\-{_OTHER}]{{1,63}}\.){{1,8}}[A-Za-z{_OTHER}][A-Za-z0-9\-{_OTHER}]{{1,23}}"
)
_WORD = "0-9A-Za-z"
_NOT_AFTER = rf"(?<![{_WORD}.\-]"
_NO_MORE = rf"(?![{_WORD}]|[.\-][0-9])"
_NOR_DATE = rf"(?![{_WORD}]|[.:,\-/][0-9])"
_SUBSCRIBER = rf"[2-9][0-9]{{2}}[ .\-][0-9]{{4}}{_NO_MORE}"
_PHONES = tuple(
    map(
        re.compile,
        (
            # with a country's code
            rf"\+(?<![{_WORD}+]\+)\(?[1-9][0-9]{{0,2}}\)?(?:[ .\-/()]{{0,2}}[0-9]){{6,13}}(?![0-9])",
            # as in North America
            rf"\({_NOT_AFTER}\()[2-9][0-9]{{2}}\)[ ]?{_SUBSCRIBER}",
            rf"[2-9]{_NOT_AFTER}[2-9])[0-9]{{2}}[ .\-]{_SUBSCRIBER}",
            rf"1{_NOT_AFTER}1)[ .\-](?:\([2-9][0-9]{{2}}\)[ ]?|[2-9][0-9]{{2}}[ .\-]){_SUBSCRIBER}",
            # in pairs, as in France
            rf"0{_NOT_AFTER}0)[1-9](?:[ .\-][0-9]{{2}}){{4}}{_NO_MORE}",
            # with a trunk prefix and an area's code
            rf"0(?<![{_WORD}.:,\-/]0)[1-9][0-9]{{1,4}}\)?[ /\-][0-9]{{3,8}}(?:[ \-][0-9]{{2,5}}){{0,3}}{_NOR_DATE}",
        ),
    )
)
"""Each begins with the one character, or one of few, that it is looked for by; what must not stand before it comes
after that."""
_PHONE_DIGITS = range(8, 16)
"""ITU-T E.164: at most fifteen. What has fewer than eight is no number that one can call from elsewhere."""


def _phones(text: str) -> Iterator[Span]:
    spans = [
        found.span()
        for pattern in _PHONES
        for found in pattern.finditer(text)
        if sum(character.isdigit() for character in found[0]) in _PHONE_DIGITS
    ]
    end = 0
    for span in sorted(spans):
        if span[0] >= end:
            yield span
            end = span[1]


# ── card, IBAN ───────────────────────────────────────────────────────────────────────────────────────────────────────
_CARD = re.compile(
    r"[2-68](?<![0-9A-Za-z][2-68])(?<![0-9][.\-][2-68])"
    r"[0-9]{3,18}(?:[ \-][0-9]{4,8}){0,3}(?:[ \-][0-9]{1,3})?(?![0-9A-Za-z])"
)
"""Groups have four digits or more, but for the last."""
_IBAN = re.compile(r"[A-Z](?<![0-9A-Za-z][A-Z])[A-Z][0-9]{2}(?:[ \-]?[A-Z0-9]){11,29}")
_SEPARATORS = " -"


def _cards(text: str) -> Iterator[Span]:
    """Other digits may follow after a separator: the longest beginning that is a card's number."""
    position = 0
    while (found := _CARD.search(text, position)) is not None:
        end = next(
            (
                end
                for end in _ends_of_groups(text, *found.span())
                if is_card(_digits(text[found.start() : end]))
            ),
            None,
        )
        if end is None:
            position = found.start() + 1
        else:
            yield found.start(), end
            position = end


def _ends_of_groups(text: str, start: int, end: int) -> Iterator[int]:
    """Where a number that begins at `start` may end, the farthest first."""
    yield end
    for index in range(end - 1, start, -1):
        if text[index] in _SEPARATORS:
            yield index


def _ibans(text: str) -> Iterator[Span]:
    position = 0
    while (found := _IBAN.search(text, position)) is not None:
        end = _end_of(text, found.start(), IBAN_LENGTHS.get(found[0][:2], 0))
        if end and end <= found.end() and is_iban(_digits(text[found.start() : end])):
            yield found.start(), end
            position = end
        else:
            position = found.start() + 1


def _end_of(text: str, start: int, characters: int) -> int:
    """After so many characters, separators not counted; 0 when there are not so many."""
    if not characters:
        return 0
    for index in range(start, len(text)):
        characters -= text[index] not in _SEPARATORS
        if not characters:
            return index + 1
    return 0


def _digits(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────────
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?<![0-9A-Za-z.])(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9A-Za-z]|\.[0-9])")
_DOTS = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_COLONS = re.compile(r":[0-9a-fA-F]{0,4}:(?:[0-9a-fA-F]{0,4}:[0-9a-fA-F]|(?<=::))")
_IPV6 = re.compile(
    r"(?<![0-9A-Za-z:.])(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{2,39}(?:\.[0-9]{1,3}){0,3}(?![0-9A-Za-z])"
)
_NOBODY = ("127.", "0.0.0.0")  # noqa: S104 - not bound to
"""Addresses that say nothing of anybody."""


def _addresses(text: str) -> Iterator[Span]:
    spans: list[Span] = []
    if _DOTS.search(text) is not None:
        spans = [found.span() for found in _IPV4.finditer(text) if not found[0].startswith(_NOBODY)]
    for found in _IPV6.finditer(text) if _COLONS.search(text) is not None else ():
        value = found[0] if found[0].endswith("::") else found[0].rstrip(":")
        if _is_ipv6(value):
            start, end = found.start(), found.start() + len(value)
            spans = [span for span in spans if span[1] <= start or span[0] >= end]
            spans.append((start, end))
    yield from sorted(spans)


def _is_ipv6(text: str) -> bool:
    """One of somebody: neither `::` nor `::1`; with a digit, which the names of C++ and Ruby lack (`Fad::Bed`)."""
    from ipaddress import AddressValueError, IPv6Address

    if not any(character.isdigit() for character in text):
        return False
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


DETECTORS: tuple[Detector, ...] = (
    Detector(kind=Kind.TOKEN, spans=token_spans),
    Detector(kind=Kind.TOKEN, spans=url_spans, needles=("@",)),
    Detector(kind=Kind.TOKEN, spans=bearer_spans),
    Detector(kind=Kind.SECRET, spans=key_value_spans),
    Detector(kind=Kind.EMAIL, spans=found_by(_EMAIL), needles=("@",)),
    Detector(kind=Kind.IBAN, spans=_ibans),
    Detector(kind=Kind.CARD, spans=_cards),
    Detector(kind=Kind.PHONE, spans=_phones),
    Detector(kind=Kind.IP, spans=_addresses, needles=(".", ":")),
)
"""What says most about itself comes first: where two find something in the same place, it is the first's."""
