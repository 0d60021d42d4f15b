"""Numbers as Go reads and writes them: what counts as a number on a page is what Go's strconv takes.

Python's `float` is close, but strips blanks, takes `1_000` and `+nan`, and turns `1e999` into infinity without a word.
"""

from __future__ import annotations

import math
import re
import struct
from array import array
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.exposition.gotext import quote_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

NAN: float = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0]
"""The NaN that Prometheus stores for every NaN on a page (model/value, NormalNaN); Python's own has other bits."""

_OUT_OF_RANGE = -(2**63)
"""What Go makes, on the processors that count, of a float that is out of an int64's range."""

_FINITE = re.compile(
    rb"[+-]?(?:[0-9]+(?:_[0-9]+)*)?(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?(?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?"
)
_HEXADECIMAL = re.compile(rb"[+-]?0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*[pP][+-]?[0-9]+")
_INFINITE = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE)
_OLD_ONLY = re.compile(rb"[pP_]")

_LARGEST_EXPONENT = 6
"""`%g` turns to an exponent at 10^6 when it prints as many digits as needed (strconv, formatDigits)."""

_USUAL = {b"NaN": NAN, b"+Inf": math.inf, b"Inf": math.inf, b"-Inf": -math.inf}
_DIGITS = b"[]0123456789+-.eE,"
_decode_floats = msgspec.json.Decoder(list[float]).decode


def parse_go_float(text: bytes) -> float:
    """`strconv.ParseFloat(text, 64)`. Raises ValueError with Go's message."""
    lowered = text.lower()
    if lowered == b"nan":
        return NAN
    if _INFINITE.fullmatch(text):
        return float(text)
    try:
        if _FINITE.fullmatch(text):
            value = float(text)
        elif _HEXADECIMAL.fullmatch(text):
            value = float.fromhex(text.decode())
        else:
            raise _refused(text, "invalid syntax")
    except OverflowError:
        raise _refused(text, "value out of range") from None
    except ValueError:
        raise _refused(text, "invalid syntax") from None
    if math.isinf(value):
        raise _refused(text, "value out of range")
    return value


def parse_float(text: bytes) -> float:
    """A value or a time on a page: as Go did before 1.13, so neither hexadecimal nor with underscores (textparse,
    parseFloat). Raises ValueError with Prometheus' message."""
    if _OLD_ONLY.search(text):
        raise ValueError("unsupported character in float")
    return parse_go_float(text)


def parse_milliseconds(text: bytes) -> int:
    """`strconv.ParseInt(text, 10, 64)`, of digits only: the times of the text format. Raises ValueError."""
    value = int(text)
    if value >= 2**63:
        raise ValueError(f"strconv.ParseInt: parsing {quote_bytes(text)}: value out of range")
    return value


def milliseconds_of(seconds: float) -> int:
    """Cut, not rounded, as Go's `int64(seconds * 1000)` does."""
    product = seconds * 1000
    return int(product) if -(2.0**63) <= product < 2.0**63 else _OUT_OF_RANGE


def parse_values(texts: Sequence[bytes]) -> array[float]:
    """Many values at once, each as `parse_float` reads it, at a fraction of its cost.

    A JSON parser reads decimal numbers three times as fast as `float`, and what JSON's grammar has not is seen before
    (no digit) or refused by it (`01`, `.5`, `+1`). Raises ValueError if any of them is none; not which.
    """
    joined = b"[" + b",".join(texts) + b"]"
    if joined.translate(None, _DIGITS):
        return _parse_with_words(texts)
    if b",-0" in joined or joined.startswith(b"[-0"):
        return _parse_singly(texts)  # the JSON parser loses the sign of -0
    try:
        values = _decode_floats(joined)
    except msgspec.MsgspecError:
        return _parse_singly(texts)
    if len(values) != len(texts):
        raise ValueError("a comma in a number")
    return array("d", values)


def _parse_with_words(texts: Sequence[bytes]) -> array[float]:
    """Some are NaN or Inf, as usual where nothing was observed: the others still go together."""
    words = [index for index, text in enumerate(texts) if text in _USUAL]
    if not words:
        return _parse_singly(texts)
    others = list(texts)
    for index in words:
        others[index] = b"0"
    if b"".join(others).translate(None, _DIGITS):
        return _parse_singly(texts)
    values = parse_values(others)
    for index in words:
        values[index] = _USUAL[texts[index]]
    return values


def _parse_singly(texts: Sequence[bytes]) -> array[float]:
    return array("d", map(parse_float, texts))


def format_float(value: float) -> str:
    """As the text format is written: Go's `%g` with as many digits as needed (expfmt, writeFloat)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "0"  # of either sign: expfmt does not tell them apart
    sign = "-" if value < 0 else ""
    mantissa, _, power = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    significant = (whole + fraction).lstrip("0")
    exponent = int(power or 0) + len(whole) - 1 - (len(whole + fraction) - len(significant))
    digits = significant.rstrip("0")
    if not -4 <= exponent < _LARGEST_EXPONENT:
        point = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{point}e{exponent:+03d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    if len(digits) <= exponent + 1:
        return sign + digits.ljust(exponent + 1, "0")
    return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def format_openmetrics_float(value: float) -> str:
    """The same, but it shows that it is none but a float: `1.0` (labels.FormatOpenMetricsFloat)."""
    text = format_float(value)
    return text if not text.lstrip("-").isdigit() else f"{text}.0"


def _refused(text: bytes, why: str) -> ValueError:
    return ValueError(f"strconv.ParseFloat: parsing {quote_bytes(text)}: {why}")
