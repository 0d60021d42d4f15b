"""The single values of `proxy.yaml`: texts, numbers, times, sizes."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from pillion.proxy.configuration.failure import Wrong, nearest, one_of
from pillion.proxy.configuration.reading import Json, Scalar
from pillion.units import parse_quantity
from pillion.yamltree import ScalarNode

_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_PEM = "-----BEGIN "
_UNITS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""In milliseconds, the finest that Envoy's timers keep."""
_DURATION = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?", re.ASCII)
COUNTLESS = (1 << 31) - 1
"""As much as fits: not worth a word in messages."""
_LONGEST = 365 * 24 * _UNITS["h"]
_QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?([kMGT]|[KMGT]i|[eE][0-9]+)?$"


class Text(Scalar[str], frozen=True, kw_only=True):
    """A text that is not empty."""

    said: str = "text"
    pattern: str = r"[^\x00-\x1f\x7f]+"
    """Of the whole text."""
    example: str = ""
    longest: int = 4096
    lower: bool = False
    """Upper and lower case are the same; it is kept in lower case."""

    @property
    def noun(self) -> str:
        return f"{self.said} like {self.example}" if self.example else self.said

    @property
    def takes(self) -> str:
        return self.said

    def parse(self, node: ScalarNode) -> str:
        text = as_text(node)
        found = _VARIABLE.search(text)
        if found is not None:
            raise Wrong(f"{found[0]} is not expanded", "write the value itself")
        text = text.lower() if self.lower else text
        if not text or len(text) > self.longest or not re.fullmatch(self.pattern, text, re.ASCII):
            if _PEM in text:
                # Perhaps a private key, which nobody repeats.
                raise Wrong(f"text in PEM is no {self.said}", "put it into a file, and write its path")
            raise Wrong(
                f"{text!r} is no {self.said}", f"write it like {self.example}" if self.example else ""
            )
        return text

    def schema(self) -> Json:
        pattern = self.pattern.replace("a-z", "a-zA-Z") if self.lower else self.pattern
        return {"type": "string", "minLength": 1, "maxLength": self.longest, "pattern": f"^(?:{pattern})$"}


class Number(Scalar[int], frozen=True, kw_only=True):
    """A whole number."""

    least: int = 0
    most: int
    said: str = "whole number"

    @property
    def noun(self) -> str:
        return f"a {self.takes}"

    @property
    def takes(self) -> str:
        if self.most >= COUNTLESS:
            return f"{self.said}, {self.least} or more"
        return f"{self.said} from {self.least} to {self.most}"

    def parse(self, node: ScalarNode) -> int:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int):
            quoted = isinstance(value, str) and value.isascii() and value.isdecimal()
            raise Wrong(f"expected {self.noun}, found {node.text!r}", "remove the quotes" if quoted else "")
        if not self.least <= value <= self.most:
            raise Wrong(f"{value} is out of range", f"write {self.noun}")
        return value

    def schema(self) -> Json:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Percent(Scalar[float], frozen=True, kw_only=True):
    @property
    def noun(self) -> str:
        return "a percentage from 0 to 100"

    @property
    def takes(self) -> str:
        return "number from 0 to 100"

    def parse(self, node: ScalarNode) -> float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            sign = isinstance(value, str) and value.endswith("%")
            raise Wrong(f"expected {self.noun}, found {node.text!r}", "leave out the %" if sign else "")
        if not 0 <= value <= 100:
            raise Wrong(f"{node.text} is out of range", f"write {self.noun}")
        return float(value)

    def write(self, value: Any) -> Any:
        return int(value) if value == int(value) else value

    def schema(self) -> Json:
        return {"type": "number", "minimum": 0, "maximum": 100}


class Flag(Scalar[bool], frozen=True, kw_only=True):
    @property
    def noun(self) -> str:
        return "true or false"

    @property
    def takes(self) -> str:
        return "`true`, `false`"

    def parse(self, node: ScalarNode) -> bool:
        if not isinstance(node.value, bool):
            raise Wrong(f"expected true or false, found {node.text!r}")
        return node.value

    def schema(self) -> Json:
        return {"type": "boolean"}


class Choice(Scalar[str], frozen=True, kw_only=True):
    """One of some words."""

    words: tuple[str, ...]
    enum: type[StrEnum] | None = None
    """What the word becomes a member of."""
    hints: tuple[tuple[str, str], ...] = ()
    """Words that are known and refused, and what to do instead."""

    @property
    def noun(self) -> str:
        return one_of(self.words)

    @property
    def takes(self) -> str:
        return ", ".join(f"`{word}`" for word in self.words)

    def parse(self, node: ScalarNode) -> str:
        if node.text not in self.words:
            remedy = dict(self.hints).get(node.text) or nearest(node.text, self.words) or f"write {self.noun}"
            raise Wrong(f"{node.text!r} is not known here", remedy)
        return self.enum(node.text) if self.enum is not None else node.text

    def write(self, value: Any) -> Any:
        return str(value)

    def schema(self) -> Json:
        return {"enum": list(self.words)}


class Duration(Scalar[float], frozen=True, kw_only=True):
    """Seconds; in the file with units."""

    least: int = 0
    """Milliseconds."""
    most: int = _LONGEST

    @property
    def noun(self) -> str:
        return "a time like 250ms, 5s or 1h30m"

    @property
    def takes(self) -> str:
        least = f", {format_duration(self.least / 1000)} or more" if self.least > 1 else ""
        return f"time: `250ms`, `5s`, `1h30m`{least}"

    def parse(self, node: ScalarNode) -> float:
        text = node.text
        if text == "0":
            milliseconds = 0
        else:
            found = _DURATION.fullmatch(text)
            if found is None or not text:
                number = re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII)
                raise Wrong(
                    f"{text!r} is no time", f"write the unit: {text}s" if number else f"write {self.noun}"
                )
            parts = zip(_UNITS.values(), found.groups(), strict=True)
            milliseconds = sum(unit * int(count) for unit, count in parts if count is not None)
        if not self.least <= milliseconds <= self.most:
            shortest, longest = format_duration(self.least / 1000), format_duration(self.most / 1000)
            raise Wrong(f"{text} is out of range", f"write a time from {shortest} to {longest}")
        return milliseconds / 1000

    def write(self, value: Any) -> Any:
        return format_duration(value)

    def schema(self) -> Json:
        pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
        return {"anyOf": [{"type": "string", "minLength": 1, "pattern": pattern}, {"const": 0}]}


def format_duration(seconds: float) -> str:
    """`1h30m`, `250ms`; nothing is rounded but parts of milliseconds."""
    rest = round(seconds * 1000)
    text = ""
    for unit, length in _UNITS.items():
        count, rest = divmod(rest, length)
        if count:
            text += f"{count}{unit}"
    return text or "0s"


class Size(Scalar[int], frozen=True, kw_only=True):
    """Bytes; in the file a quantity of Kubernetes."""

    least: int = 0
    most: int

    @property
    def noun(self) -> str:
        return "a size like 512Ki, 1Mi or 1000000"

    @property
    def takes(self) -> str:
        return "size: `1Mi`, `512k`, bytes"

    def parse(self, node: ScalarNode) -> int:
        if isinstance(node.value, bool):
            raise Wrong(f"expected {self.noun}, found {node.text}")
        try:
            amount = parse_quantity(node.text)
        except ValueError:
            raise Wrong(f"{node.text!r} is no size", f"write {self.noun}") from None
        if amount != int(amount):
            remedy = f"did you mean {node.text[:-1]}M?" if node.text.endswith("m") else f"write {self.noun}"
            raise Wrong(f"{node.text} is a part of a byte", remedy)
        if not self.least <= amount <= self.most:
            raise Wrong(
                f"{node.text} is out of range",
                f"write a size from {format_size(self.least)} to {format_size(self.most)}",
            )
        return int(amount)

    def write(self, value: Any) -> Any:
        return format_size(value)

    def schema(self) -> Json:
        return {
            "anyOf": [
                {"type": "integer", "minimum": self.least},
                {"type": "string", "pattern": _QUANTITY_PATTERN},
            ]
        }


def format_size(size: int) -> str:
    """`1Mi` where that is exact, else bytes."""
    for suffix in ("", "Ki", "Mi"):
        if size % 1024 or not size:
            return f"{size}{suffix}"
        size //= 1024
    return f"{size}Gi"


def as_text(node: ScalarNode) -> str:
    """Raises Wrong about a number or a truth value: what it would be as text, YAML does not say."""
    if not isinstance(node.value, str):
        raise Wrong(f"expected text, found {node.text}", f'put it in quotes: "{node.text}"')
    return node.value
