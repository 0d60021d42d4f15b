"""From a `[MULTILINE_PARSER]` section to the parser it describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.multiline.builtin import FLUSH_TIMEOUT
from pillion.collector.multiline.joiners import Joiner, RegexJoiner, StringJoiner, ends_with, equals
from pillion.collector.multiline.rules import link
from pillion.collector.multiline.streams import Form, Multiline

if TYPE_CHECKING:
    from pillion.collector.configuration.parsers import MultilineParserSettings
    from pillion.collector.parsers import Parser


def build(settings: MultilineParserSettings, parser: Callable[[str], Parser]) -> Multiline:
    """`parser` finds one by its name. Raises ConfigurationError."""
    form = Form(
        name=settings.name,
        flush_timeout=FLUSH_TIMEOUT if settings.flush_timeout is None else settings.flush_timeout,
        joiner=_joiner(settings),
        key_content=settings.key_content,
        key_group=settings.key_group,
        key_pattern=settings.key_pattern,
        parser=parser(settings.parser) if settings.parser else None,
    )
    return Multiline(name=settings.name, forms=(form,))


def _joiner(settings: MultilineParserSettings) -> Callable[[str, int], Joiner]:
    match settings.type:
        case "regex":
            return _regex_joiner(settings)
        case "endswith":
            fits = ends_with(settings.match_string, negate=settings.negate)
        case "equal":
            fits = equals(settings.match_string, negate=settings.negate)
        case _:
            assert_never(settings.type)
    return lambda key, limit: StringJoiner(key, fits, limit)


def _regex_joiner(settings: MultilineParserSettings) -> Callable[[str, int], Joiner]:
    try:
        rules = link(tuple((",".join(rule.states), rule.pattern, rule.next) for rule in settings.rules))
    except ValueError as error:
        place = settings.rules[0].place if settings.rules else settings.place
        raise ConfigurationError(f"{place}: [MULTILINE_PARSER] rule: {error}") from None
    return lambda key, limit: RegexJoiner(key, rules, limit)
