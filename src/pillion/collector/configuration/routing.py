"""Which tags a match can meet, as far as a configuration tells. `*` is any text, in both."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pillion.collector.configuration.configured import PluginSection
from pillion.collector.configuration.failure import Complaints, Fault
from pillion.collector.configuration.settings import FilterSettings, InputSettings, OutputSettings

SENDERS_CHOOSE_TAG = ("forward", "http")
"""Inputs whose senders choose the tag when the configuration names none."""
_NEW_TAGS = ("rewrite_tag", "python")
"""Filters that may give records another tag."""

Taker = PluginSection[FilterSettings] | PluginSection[OutputSettings]


def can_meet(tag: str, match: str) -> bool:
    """Whether some text is both: two patterns of plain characters and `*`."""
    row = [True] + [False] * len(match)
    for column, character in enumerate(match):
        row[column + 1] = row[column] and character == "*"
    for letter in tag:
        following = [row[0] and letter == "*"]
        for column, character in enumerate(match):
            if letter == "*" or character == "*":
                met = row[column + 1] or following[column] or (row[column] and letter == character)
            else:
                met = row[column] and letter == character
            following.append(met)
        row = following
    return row[-1]


def warn_of_dead_ends(
    inputs: Sequence[PluginSection[InputSettings]],
    filters: Sequence[PluginSection[FilterSettings]],
    outputs: Sequence[PluginSection[OutputSettings]],
    complaints: Complaints,
) -> None:
    """Records that no output takes, filters and outputs that meet no record."""
    tags = [(section, tag) for section in inputs if (tag := _tag(section)) is not None]
    rewriters = [section for section in filters if section.plugin in _NEW_TAGS]
    for section, tag in tags:
        if not any(_takes(output, tag) for output in outputs) and not any(
            _takes(one, tag) for one in rewriters
        ):
            about = f"[INPUT] {section.plugin}: tag"
            text = f"no output takes {tag}: its records would be dropped"
            complaints.warn(Fault(place=section.place, about=about, text=text))
    if rewriters or len(tags) < len(inputs):
        return
    takers: list[Taker] = [*filters, *outputs]
    for taker in takers:
        if not any(_takes(taker, tag) for _, tag in tags):
            said = taker.settings.match or taker.settings.match_regex
            about = f"[{taker.kind.value.upper()}] {taker.plugin}: match"
            complaints.warn(Fault(place=taker.place, about=about, text=f"{said} meets the tag of no input"))


def _tag(section: PluginSection[InputSettings]) -> str | None:
    """None: the sender chooses."""
    if section.settings.tag:
        return section.settings.tag
    return None if section.plugin in SENDERS_CHOOSE_TAG else section.name


def _takes(taker: Taker, tag: str) -> bool:
    """In doubt it does. `match_regex` comes first, as in Fluent Bit (`router_match`)."""
    pattern = taker.settings.match_regex
    if pattern and ("*" in tag or _finds(pattern, tag)):
        return True
    return can_meet(tag, taker.settings.match) if taker.settings.match else False


def _finds(pattern: str, tag: str) -> bool:
    """In doubt it does: Ruby's patterns are not quite Python's."""
    try:
        return re.search(pattern.strip("/"), tag) is not None
    except re.error:
        return True
