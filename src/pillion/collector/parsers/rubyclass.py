"""Character classes of Ruby's patterns: ranges, types, POSIX brackets, classes in classes, intersections.

The result matches one character, but need not be a class for `re`, which has no set operations: a union becomes
alternatives, an intersection and a complement look ahead.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from pillion.collector.parsers.rubyscan import Scanner

TYPES = {
    "d": "0-9", "D": "0-9", "w": "A-Za-z0-9_", "W": "A-Za-z0-9_", "s": " \\t-\\r", "S": " \\t-\\r",
    "h": "0-9a-fA-F", "H": "0-9a-fA-F",
}  # fmt: skip
"""ASCII, as ONIG_SYNTAX_RUBY has them (ONIG_OPTION_ASCII_RANGE); capitals are the complements."""

_POSIX = re.compile(r"\[:(\^?)([a-z]+):\]")
_PROPERTY = re.compile(r"[pP]\{(\^?)([^}]*)\}")
_LIMIT = 0x3100
"""Up to where characters are looked at for brackets that `re` has no word for: the alphabets, and most punctuation."""


def parse_class(scan: Scanner) -> str:
    """After `[`, up to and with its `]`."""
    negated = scan.take("^")
    operands = [_union(scan, first=True)]
    while scan.take("&&"):
        operands.append(_union(scan, first=False))
    scan.expect("]")
    if len(operands) == 1:
        return operands[0].text(negated=negated)
    inner = "".join(f"(?={operand.text(negated=False)})" for operand in operands[:-1])
    inner += operands[-1].text(negated=False)
    return f"(?:(?!{inner})[\\s\\S])" if negated else f"(?:{inner})"


def property_class(scan: Scanner) -> str:
    """`p{Alpha}`, after its backslash."""
    found = _PROPERTY.match(scan.text, len(scan.text) - len(scan.rest(len(scan.text))))
    if found is None:
        raise ValueError(r"\p is written \p{Name}")
    scan.take(found[0])
    name = found[2].lower().replace("_", "").replace(" ", "")
    return _bracket(name, negated=(found[0][0] == "P") != bool(found[1]))


class _Union:
    """What stands side by side in a class: ranges that `re` can have in one class, and classes it cannot."""

    def __init__(self) -> None:
        self.ranges: list[str] = []
        self.classes: list[str] = []

    def text(self, *, negated: bool) -> str:
        if not self.classes:
            if not self.ranges:
                return r"[\s\S]" if negated else r"(?!)"
            return f"[{'^' if negated else ''}{''.join(self.ranges)}]"
        all_of_them = [*self.classes]
        if self.ranges:
            all_of_them.insert(0, f"[{''.join(self.ranges)}]")
        if negated:
            return f"(?:(?!{'|'.join(all_of_them)})[\\s\\S])"
        return f"(?:{'|'.join(all_of_them)})" if len(all_of_them) > 1 else all_of_them[0]


def _union(scan: Scanner, *, first: bool) -> _Union:
    union = _Union()
    while not scan.at_end and scan.rest(2) != "&&" and (scan.peek != "]" or first):
        first = False
        if (found := _POSIX.match(scan.text, len(scan.text) - len(scan.rest(len(scan.text))))) is not None:
            scan.take(found[0])
            union.classes.append(_bracket(found[2], negated=bool(found[1])))
        elif scan.take("["):
            union.classes.append(parse_class(scan))
        elif scan.peek == "\\" and scan.rest(2)[1:] in (*TYPES, "p", "P", "R"):
            scan.next()
            _escaped_class(scan, union)
        else:
            union.ranges.append(_range(scan))
    return union


def _escaped_class(scan: Scanner, union: _Union) -> None:
    char = scan.peek
    if char in "pP":
        union.classes.append(property_class(scan))
    elif char == "R":
        scan.next()
        union.ranges.append(r"\n-\r")
    elif scan.next().islower():
        union.ranges.append(TYPES[char])
    else:
        union.classes.append(f"[^{TYPES[char]}]")


def _range(scan: Scanner) -> str:
    low = _member(scan)
    if scan.peek != "-" or scan.rest(2) in ("-]", "-[", "-&") or len(scan.rest(2)) < 2:
        return re.escape(low)
    if scan.rest(2) == "-\\" and scan.rest(3)[2:] in TYPES:
        return re.escape(low)
    scan.next()
    high = _member(scan)
    if high < low:
        raise ValueError(f"{low}-{high} is an empty range")
    return f"{re.escape(low)}-{re.escape(high)}"


def _member(scan: Scanner) -> str:
    char = scan.next()
    if char != "\\":
        return char
    if scan.take("b"):
        return "\b"
    return scan.escaped_character()


def _bracket(name: str, *, negated: bool) -> str:
    """POSIX brackets are Unicode's in Ruby (ONIG_OPTION_POSIX_BRACKET_ALL_RANGE)."""
    text = _BRACKETS.get(name) or (_listed(name) if name in _LISTED else None)
    if text is None:
        raise ValueError(f"{name!r} is no kind of characters known here")
    positive, negative = text
    return negative if negated else positive


_BRACKETS = {
    "alpha": (r"[^\W\d_]", r"[\W\d_]"),
    "digit": (r"\d", r"\D"),
    "alnum": (r"[^\W_]", r"[\W_]"),
    "word": (r"\w", r"\W"),
    "space": (r"\s", r"\S"),
    "blank": (r"[ \t]", r"[^ \t]"),
    "xdigit": (r"[0-9a-fA-F]", r"[^0-9a-fA-F]"),
    "cntrl": (r"[\x00-\x1f\x7f-\x9f]", r"[^\x00-\x1f\x7f-\x9f]"),
    "ascii": (r"[\x00-\x7f]", r"[^\x00-\x7f]"),
    "print": (r"[^\x00-\x1f\x7f-\x9f]", r"[\x00-\x1f\x7f-\x9f]"),
    "graph": (r"[^\x00-\x20\x7f-\xa0]", r"[\x00-\x20\x7f-\xa0]"),
}
_LISTED = {"upper": ("Lu",), "lower": ("Ll",), "punct": ("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps")}
_ASCII_SYMBOLS = "$+<=>^`|~"
"""Punctuation too, for POSIX and for Onigmo since 6.9."""


@functools.cache
def _listed(name: str) -> tuple[str, str]:
    members = [
        code
        for code in range(_LIMIT)
        if unicodedata.category(chr(code)) in _LISTED[name]
        or (name == "punct" and chr(code) in _ASCII_SYMBOLS)
    ]
    ranges = "".join(re.escape(chr(code)) for code in members)
    return f"[{ranges}]", f"[^{ranges}]"
