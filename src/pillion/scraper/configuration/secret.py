"""A text that nobody prints."""

from __future__ import annotations

HIDDEN = "<secret>"
"""What stands in its place, as in Prometheus' /api/v1/status/config (prometheus/common, config/config.go)."""


class Secret:
    """A password or token of the configuration. `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return HIDDEN if self._text else "<no secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
