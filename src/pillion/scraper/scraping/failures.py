"""Why a scrape failed, in Prometheus' words: /api/v1/targets shows them as lastError. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.units import quote

if TYPE_CHECKING:
    from pillion.scraper.labels import Labels

SAMPLE_LIMIT = "sample limit exceeded"
BODY_SIZE_LIMIT = "body size limit exceeded"
_SHOWN = 50
"""Characters that Prometheus shows of a name or value (`%.50s`)."""


class ScrapeError(Exception):
    """The whole scrape fails. The text is one line."""


class PageError(ScrapeError):
    """The page cannot be read to its end."""

    def __init__(self, text: str, read: tuple[Labels, ...]) -> None:
        """`read`: its series before the place."""
        super().__init__(text)
        self.read = read


class LabelLimitError(ScrapeError):
    """One of label_limit, label_name_length_limit, label_value_length_limit."""


class SampleLimitError(ScrapeError):
    def __init__(self) -> None:
        super().__init__(SAMPLE_LIMIT)


class BodySizeError(ScrapeError):
    def __init__(self) -> None:
        super().__init__(BODY_SIZE_LIMIT)


def target_limit(targets: int, limit: int) -> str:
    return f"target_limit exceeded (number of targets: {targets}, limit: {limit})"


def too_many_labels(metric: str, labels: int, limit: int) -> LabelLimitError:
    return LabelLimitError(
        f"label_limit exceeded (metric: {metric[:_SHOWN]}, number of labels: {labels}, limit: {limit})"
    )


def long_label_name(metric: str, name: str, length: int, limit: int) -> LabelLimitError:
    return LabelLimitError(
        f"label_name_length_limit exceeded (metric: {metric[:_SHOWN]}, label name: {name[:_SHOWN]}, "
        f"length: {length}, limit: {limit})"
    )


def long_label_value(metric: str, pair: tuple[str, str], length: int, limit: int) -> LabelLimitError:
    name, value = pair
    return LabelLimitError(
        f"label_value_length_limit exceeded (metric: {metric[:_SHOWN]}, label name: {name[:_SHOWN]}, "
        f"value: {quote(value[:_SHOWN])}, length: {length}, limit: {limit})"
    )


def no_name() -> ScrapeError:
    return ScrapeError("missing metric name (__name__ label)")


def not_unique(name: str) -> ScrapeError:
    return ScrapeError(f"label name {quote(name)} is not unique: invalid sample")


def invalid_names(labels: Labels) -> ScrapeError:
    shown = ", ".join(f"{_shown_name(name)}={quote(value)}" for name, value in labels)
    return ScrapeError(f"invalid metric name or label names: {{{shown}}}")


def _shown_name(name: str) -> str:
    return name if name.isascii() and name.isidentifier() else quote(name)
