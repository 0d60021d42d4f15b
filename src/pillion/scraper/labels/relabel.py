"""A relabelling rule as it is written, and what is wrong with one (model/relabel, relabel.go: Config, Validate)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from pillion.scraper.labels.names import ValidationScheme, is_label_name
from pillion.scraper.labels.regexes import Regexp, regexp
from pillion.units import quote


class Action(StrEnum):
    REPLACE = "replace"
    KEEP = "keep"
    DROP = "drop"
    KEEPEQUAL = "keepequal"
    DROPEQUAL = "dropequal"
    HASHMOD = "hashmod"
    LABELMAP = "labelmap"
    LABELDROP = "labeldrop"
    LABELKEEP = "labelkeep"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"


DEFAULT_REGEX = regexp("(.*)")
DEFAULT_REPLACEMENT = "$1"
DEFAULT_SEPARATOR = ";"

_SETS_TARGET = frozenset({Action.REPLACE, Action.HASHMOD, Action.LOWERCASE, Action.UPPERCASE})
_COMPARES = frozenset({Action.KEEPEQUAL, Action.DROPEQUAL})
_TAKES_NO_REPLACEMENT = frozenset({Action.LOWERCASE, Action.UPPERCASE, *_COMPARES})
_VARIABLE = r"\$(?:\{\w+\}|\w+)"
_LEGACY_TEMPLATE = re.compile(rf"(?:[a-zA-Z_]|{_VARIABLE})(?:\w|{_VARIABLE})*", re.ASCII)


class RelabelConfig(msgspec.Struct, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "relabel.Config"
    go_decoded: ClassVar[str] = "relabel.plain"
    """What Prometheus' messages call it, and call it while it is read."""
    unwritten: ClassVar[frozenset[str]] = frozenset({"validation_scheme"})
    """Fields that are no keys."""

    source_labels: Annotated[tuple[str, ...], "model.LabelNames"] = ()
    separator: str = DEFAULT_SEPARATOR
    regex: Regexp = DEFAULT_REGEX
    modulus: Annotated[int, "uint64"] = 0
    target_label: str = ""
    replacement: str = DEFAULT_REPLACEMENT
    action: Action = Action.REPLACE
    validation_scheme: ValidationScheme = ValidationScheme.UTF8
    """Not written here: that of the scrape, or of the whole configuration."""


def problems(config: RelabelConfig) -> Iterator[tuple[str, str]]:
    """The key and Prometheus' words for each thing that is wrong, in its order."""
    action, target, scheme = config.action, config.target_label, config.validation_scheme
    if "" in config.source_labels:
        yield "source_labels", '"" is not a valid label name'
    if action is Action.HASHMOD and not config.modulus:
        yield "modulus", "relabel configuration for hashmod requires non-zero modulus"
    if action in _SETS_TARGET | _COMPARES:
        if not target:
            yield "target_label", f"relabel configuration for {action} action requires 'target_label' value"
        elif not _is_target(config):
            yield "target_label", f"{quote(target)} is invalid 'target_label' for {action} action"
    if action in _TAKES_NO_REPLACEMENT and config.replacement != DEFAULT_REPLACEMENT:
        yield "replacement", f"'replacement' can not be set for {action} action"
    if action is Action.LABELMAP and not _is_name_template(config.replacement, scheme):
        yield "replacement", f"{quote(config.replacement)} is invalid 'replacement' for {action} action"
    is_bare = (
        not config.modulus
        and config.separator == DEFAULT_SEPARATOR
        and config.replacement == DEFAULT_REPLACEMENT
    )
    if action in _COMPARES and not (is_bare and config.regex == DEFAULT_REGEX):
        yield (
            "action",
            f"{action} action requires only 'source_labels' and `target_label`, and no other fields",
        )
    if action in (Action.LABELDROP, Action.LABELKEEP) and not (
        is_bare and not config.source_labels and not target
    ):
        yield "action", f"{action} action requires only 'regex', and no other fields"


def _is_target(config: RelabelConfig) -> bool:
    if config.action is Action.REPLACE and "$" in config.target_label:
        return _is_name_template(config.target_label, config.validation_scheme)
    return is_label_name(config.target_label, config.validation_scheme)


def _is_name_template(text: str, scheme: ValidationScheme) -> bool:
    if scheme is ValidationScheme.UTF8:
        return is_label_name(text, scheme)
    return _LEGACY_TEMPLATE.fullmatch(text) is not None
