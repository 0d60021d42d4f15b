"""What is wrong with a field, in Kubernetes' words (apimachinery: util/validation/field/errors.go, path.go).

A FieldError is a value: where (`spec.containers[0].name`), of which type, and the body that people read.
Values are quoted as Go does it there: strings by `%q`, numbers and booleans bare, the rest as compact JSON.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Iterable


class ErrorType(StrEnum):
    """The `reason` of a cause in a Status."""

    REQUIRED = "FieldValueRequired"
    INVALID = "FieldValueInvalid"
    DUPLICATE = "FieldValueDuplicate"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    NOT_FOUND = "FieldValueNotFound"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    type: ErrorType
    field: str
    body: str

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


class Path(msgspec.Struct, frozen=True):
    """A place in an object. The empty path is written `<nil>`, as in Go."""

    text: str = ""

    def child(self, *names: str) -> Path:
        return Path(".".join((self.text, *names) if self.text else names))

    def index(self, number: int) -> Path:
        return Path(f"{self.text}[{number}]")

    def key(self, name: str) -> Path:
        return Path(f"{self.text}[{name}]")

    def __str__(self) -> str:
        return self.text or "<nil>"


def required(path: Path, detail: str = "") -> FieldError:
    return _error(ErrorType.REQUIRED, path, "Required value", detail)


def invalid(path: Path, value: object, detail: str) -> FieldError:
    return _error(ErrorType.INVALID, path, f"Invalid value: {_shown(value)}", detail)


def duplicate(path: Path, value: object) -> FieldError:
    return _error(ErrorType.DUPLICATE, path, f"Duplicate value: {_shown(value)}")


def not_supported(path: Path, value: object, supported: Iterable[str]) -> FieldError:
    """The supported values are shown in the order given; where Kubernetes keeps a set, give them sorted."""
    listed = ", ".join(quote(choice) for choice in supported)
    return _error(
        ErrorType.NOT_SUPPORTED, path, f"Unsupported value: {_shown(value)}", f"supported values: {listed}"
    )


def forbidden(path: Path, detail: str) -> FieldError:
    return _error(ErrorType.FORBIDDEN, path, "Forbidden", detail)


def not_found(path: Path, value: object, detail: str = "") -> FieldError:
    return _error(ErrorType.NOT_FOUND, path, f"Not found: {_shown(value)}", detail)


def too_long(path: Path, max_bytes: int) -> FieldError:
    return _error(ErrorType.TOO_LONG, path, "Too long", f"may not be more than {max_bytes} bytes")


def too_many(path: Path, count: int, at_most: int) -> FieldError:
    noun = "item" if at_most == 1 else "items"
    return _error(ErrorType.TOO_MANY, path, f"Too many: {count}", f"must have at most {at_most} {noun}")


def distinct(errors: Iterable[FieldError]) -> list[FieldError]:
    """Each error once, in the order of its first appearance."""
    return list(dict.fromkeys(errors))


def _shown(value: object) -> str:
    match value:
        case str():
            return quote(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return _go_json(value)


def _go_json(value: Any) -> str:
    """Compact JSON as encoding/json writes it: safe to put into HTML."""
    text = msgspec.json.encode(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _error(kind: ErrorType, path: Path, body: str, detail: str = "") -> FieldError:
    return FieldError(type=kind, field=str(path), body=f"{body}: {detail}" if detail else body)
