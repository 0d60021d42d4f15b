"""What relabelling does to one label set: every action, compiled once (model/relabel, relabel.go: `relabel`).

A rule changes a dictionary of labels and says whether what they belong to is kept. An empty label is no label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import TypeAlias, assert_never

from pillion.scraper.labels.names import is_label_name
from pillion.scraper.labels.regexes import expand
from pillion.scraper.labels.relabel import DEFAULT_REGEX, Action, RelabelConfig

Rule: TypeAlias = Callable[[MutableMapping[str, str]], bool]


class Relabelling:
    """A list of rules, in order."""

    __slots__ = ("_rules",)

    def __init__(self, configs: Iterable[RelabelConfig]) -> None:
        self._rules = tuple(compile_rule(config) for config in configs)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def apply(self, labels: MutableMapping[str, str]) -> bool:
        """Change the labels; False: drop what they belong to. There are no empty ones before, and none after."""
        return all(rule(labels) for rule in self._rules)

    def relabelled(self, labels: Mapping[str, str]) -> dict[str, str] | None:
        """A changed copy; None: dropped."""
        changed = {name: value for name, value in labels.items() if value}
        return changed if self.apply(changed) else None


def compile_rule(config: RelabelConfig) -> Rule:
    match config.action:
        case Action.REPLACE:
            return _replace(config)
        case Action.KEEP | Action.DROP:
            return _keep_or_drop(config)
        case Action.KEEPEQUAL | Action.DROPEQUAL:
            return _keep_or_drop_equal(config)
        case Action.HASHMOD:
            return _set(config, lambda value: str(_hash(value) % config.modulus))
        case Action.LOWERCASE:
            return _set(config, lower)
        case Action.UPPERCASE:
            return _set(config, upper)
        case Action.LABELMAP:
            return _map_names(config)
        case Action.LABELDROP | Action.LABELKEEP:
            return _drop_names(config)
        case _:
            assert_never(config.action)


def _source(config: RelabelConfig) -> Callable[[Mapping[str, str]], str]:
    names, separator = config.source_labels, config.separator
    if len(names) == 1:
        name = names[0]
        return lambda labels: labels.get(name, "")
    return lambda labels: separator.join([labels.get(name, "") for name in names])


def _put(labels: MutableMapping[str, str], name: str, value: str) -> None:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


def _hash(value: str) -> int:
    """The last 8 bytes of MD5."""
    digest = hashlib.md5(value.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "big")


def lower(text: str) -> str:
    """Go's strings.ToLower: letter by letter, whatever stands beside one, and no letter becomes two."""
    return text.lower() if text.isascii() else "".join([letter.lower()[0] for letter in text])


def upper(text: str) -> str:
    """Go's strings.ToUpper: a letter whose capital takes two stays."""
    if text.isascii():
        return text.upper()
    return "".join([capital if len(capital := letter.upper()) == 1 else letter for letter in text])


def _replace(config: RelabelConfig) -> Rule:
    source, regex, scheme = _source(config), config.regex, config.validation_scheme
    target = regex.template(config.target_label)
    replacement = regex.template(config.replacement)
    is_constant = "$" not in config.target_label + config.replacement
    # A constant is put even where the default expression would have nothing to match.
    always = is_constant and regex == DEFAULT_REGEX

    def rule(labels: MutableMapping[str, str]) -> bool:
        value = source(labels)
        if always and not value:
            _put(labels, config.target_label, config.replacement)
            return True
        match = regex.fullmatch(value)
        if match is None:
            return True
        name = expand(target, match)
        if is_label_name(name, scheme):
            _put(labels, name, expand(replacement, match))
        return True

    return rule


def _set(config: RelabelConfig, change: Callable[[str], str]) -> Rule:
    source, target = _source(config), config.target_label

    def rule(labels: MutableMapping[str, str]) -> bool:
        _put(labels, target, change(source(labels)))
        return True

    return rule


def _keep_or_drop(config: RelabelConfig) -> Rule:
    source, matches, keeps = _source(config), config.regex.matches, config.action is Action.KEEP
    return lambda labels: matches(source(labels)) is keeps


def _keep_or_drop_equal(config: RelabelConfig) -> Rule:
    source, target, keeps = _source(config), config.target_label, config.action is Action.KEEPEQUAL
    return lambda labels: (labels.get(target, "") == source(labels)) is keeps


def _map_names(config: RelabelConfig) -> Rule:
    fullmatch = config.regex.fullmatch
    replacement = config.regex.template(config.replacement)

    def rule(labels: MutableMapping[str, str]) -> bool:
        for name, value in list(labels.items()):
            match = fullmatch(name)
            if match is not None and (new := expand(replacement, match)):
                labels[new] = value
        return True

    return rule


def _drop_names(config: RelabelConfig) -> Rule:
    matches, drops = config.regex.matches, config.action is Action.LABELDROP

    def rule(labels: MutableMapping[str, str]) -> bool:
        for name in [name for name in labels if matches(name) is drops]:
            del labels[name]
        return True

    return rule
