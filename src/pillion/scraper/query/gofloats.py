"""Numbers as the API writes them."""

from __future__ import annotations

import math


def format_float(value: float) -> str:
    """Go's `strconv.FormatFloat(value, 'f', -1, 64)`: as few digits as tell the number, and never an exponent."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    point = len(whole) + int(exponent)
    digits = whole + fraction
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits.ljust(point, "0")
    return f"{sign}{digits[:point]}.{digits[point:]}"


def format_sample(value: float) -> str:
    """As in JSON (util/jsonutil, MarshalFloat): with an exponent when very small or large."""
    size = abs(value)
    if size and math.isfinite(value) and (size < 1e-6 or size >= 1e21):
        mantissa, _, exponent = repr(value).partition("e")
        if not exponent:
            mantissa, _, exponent = f"{value:.17e}".partition("e")
        mantissa = mantissa.removesuffix(".0")
        return f"{mantissa}e{'-' if exponent.startswith('-') else '+'}{exponent.lstrip('+-').rjust(2, '0')}"
    return format_float(value)


def format_time(milliseconds: int) -> str:
    """Seconds, with up to three digits behind the point (util/jsonutil, MarshalTimestamp)."""
    sign = "-" if milliseconds < 0 else ""
    seconds, rest = divmod(abs(milliseconds), 1000)
    return f"{sign}{seconds}.{rest:03d}" if rest else f"{sign}{seconds}"
