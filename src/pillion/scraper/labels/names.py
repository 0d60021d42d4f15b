"""Which names labels and metrics may have (prometheus/common, model/metric.go and model/labels.go)."""

from __future__ import annotations

import re
from enum import StrEnum

_LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LEGACY_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class ValidationScheme(StrEnum):
    UTF8 = "utf8"
    """Anything but nothing: Prometheus 3's default."""
    LEGACY = "legacy"
    """Prometheus 2's characters."""


def is_label_name(name: str, scheme: ValidationScheme) -> bool:
    return _fits(name, _LEGACY_LABEL, scheme)


def is_metric_name(name: str, scheme: ValidationScheme) -> bool:
    return _fits(name, _LEGACY_METRIC, scheme)


def _fits(name: str, legacy: re.Pattern[str], scheme: ValidationScheme) -> bool:
    return bool(name) if scheme is ValidationScheme.UTF8 else legacy.fullmatch(name) is not None
