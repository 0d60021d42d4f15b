"""Kubernetes quantities: `100m`, `1.5`, `512Mi`, `1e3` (apimachinery, pkg/api/resource/quantity.go).

A quantity stays text in an object, as on the wire; these functions say what the text amounts to.
"""

from __future__ import annotations

import decimal
import re
from decimal import Decimal
from enum import Enum

_FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_SUFFIX_WRONG = "unable to parse quantity's suffix"
_NUMBER_WRONG = "unable to parse numeric part of quantity"

# What quantity.go really reads. Its message quotes a looser expression.
_SHAPE = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX_OF = {exponent: suffix for suffix, exponent in _DECIMAL_SUFFIXES.items()}
_BINARY_SUFFIXES = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_EXPONENT = re.compile(r"[eE]([-+]?[0-9]+)", re.ASCII)

_NANO = Decimal("1e-9")
_MAX_INT64 = (1 << 63) - 1
_MAX_AMOUNT = Decimal(_MAX_INT64)
_MAX_DIGITS = 256
_MAX_EXPONENT = 99
# Room for every digit and exponent admitted above: nothing here may be rounded by accident.
_EXACT = decimal.Context(prec=_MAX_DIGITS + _MAX_EXPONENT + 64, Emax=9999, Emin=-9999)


class _Format(Enum):
    """The family of suffixes a quantity was written with, and is written back with."""

    DECIMAL_SI = "DecimalSI"
    DECIMAL_EXPONENT = "DecimalExponent"
    BINARY_SI = "BinarySI"


def parse_quantity(text: str) -> Decimal:
    """The exact amount, rounded up (away from zero) to a billionth, the finest Kubernetes keeps.

    Raises ValueError in Kubernetes' words. Every amount is capped at 2^63-1 (Kubernetes caps those with binary
    suffixes), so that it has at most 28 digits and ordinary Decimal arithmetic with it is exact. Exponents beyond
    99 are refused: nobody has that much of anything, and the arithmetic would never end.
    """
    amount = _read(text)[0]
    return max(-_MAX_AMOUNT, min(amount, _MAX_AMOUNT))


def quantity_value(text: str) -> int:
    """Whole units (bytes, cores), rounded up. At most 2^63-1."""
    return _scaled(text, 0)


def quantity_millis(text: str) -> int:
    """Thousandths (millicores), rounded up. At most 2^63-1."""
    return _scaled(text, 3)


def format_quantity(text: str) -> str:
    """The canonical spelling (quantity.go: CanonicalizeBytes): `0.5` is `500m`, `1024Mi` is `1Gi`."""
    amount, fmt = _read(text)
    if not amount:
        return "0"
    if fmt is _Format.BINARY_SI and abs(amount) >= 1024 and amount == amount.to_integral_value():
        return _format_binary(int(amount))
    return _format_decimal(amount, fmt)


def _read(text: str) -> tuple[Decimal, _Format]:
    match = _SHAPE.fullmatch(text)
    if match is None or not text:
        raise ValueError(_FORMAT_WRONG)
    sign, whole, fraction, suffix = match.groups()
    if not whole and not fraction:
        raise ValueError(_FORMAT_WRONG if fraction is None else _NUMBER_WRONG)
    if len(text) > _MAX_DIGITS:
        raise ValueError(_NUMBER_WRONG)
    factor, fmt = _read_suffix(suffix)
    number = _EXACT.multiply(Decimal(f"{whole or 0}.{fraction or 0}"), factor)
    number = number.quantize(_NANO, rounding=decimal.ROUND_UP, context=_EXACT)
    if fmt is _Format.BINARY_SI:
        number = min(number, _MAX_AMOUNT)
        if 0 < number < 1:
            fmt = _Format.DECIMAL_SI
    return (number.copy_negate() if sign == "-" else number), fmt


def _read_suffix(suffix: str) -> tuple[Decimal, _Format]:
    if suffix in _DECIMAL_SUFFIXES:
        return Decimal(1).scaleb(_DECIMAL_SUFFIXES[suffix]), _Format.DECIMAL_SI
    if suffix in _BINARY_SUFFIXES:
        return Decimal(1024 ** (_BINARY_SUFFIXES.index(suffix) + 1)), _Format.BINARY_SI
    match = _EXPONENT.fullmatch(suffix)
    if match is None or abs(int(match[1])) > _MAX_EXPONENT:
        raise ValueError(_SUFFIX_WRONG)
    return Decimal(1).scaleb(int(match[1])), _Format.DECIMAL_EXPONENT


def _scaled(text: str, power: int) -> int:
    amount = parse_quantity(text).scaleb(power, context=_EXACT)
    whole = int(amount.to_integral_value(rounding=decimal.ROUND_UP))
    return max(-_MAX_INT64, min(whole, _MAX_INT64))


def _format_binary(amount: int) -> str:
    power = 0
    while power < len(_BINARY_SUFFIXES) and amount % 1024 == 0:
        amount //= 1024
        power += 1
    return f"{amount}{_BINARY_SUFFIXES[power - 1] if power else ''}"


def _format_decimal(amount: Decimal, fmt: _Format) -> str:
    exponent = -9
    mantissa = int(amount.scaleb(9, context=_EXACT))
    largest = 18 if fmt is not _Format.DECIMAL_EXPONENT else _MAX_EXPONENT
    while exponent < largest and mantissa % 1000 == 0:
        mantissa //= 1000
        exponent += 3
    if fmt is _Format.DECIMAL_EXPONENT:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_DECIMAL_SUFFIX_OF[exponent]}"
