"""The tail input, put together from its settings and its context."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.inputs.tail.changes import Changes
from pillion.collector.inputs.tail.discovery import Discovery
from pillion.collector.inputs.tail.encoding import is_known
from pillion.collector.inputs.tail.files import Following
from pillion.collector.inputs.tail.joining import Joiner
from pillion.collector.inputs.tail.oldmultiline import DockerParts, FirstLine
from pillion.collector.inputs.tail.settings import TailSettings
from pillion.collector.inputs.tail.shaping import Shape
from pillion.collector.inputs.tail.storing import opened_store
from pillion.collector.inputs.tail.tail import Tail
from pillion.collector.multiline import combine
from pillion.collector.plugin import InputPlugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.collector.plugin import Input, InputContext


def build(settings: TailSettings, context: InputContext) -> Input:
    """Raises ConfigurationError: a parser that there is not, a pattern or an encoding that is none."""
    if not is_known(settings.unicode_encoding, settings.generic_encoding):
        name = settings.unicode_encoding or settings.generic_encoding
        raise ConfigurationError(f"{settings.place}: [INPUT] tail: there is no encoding {name} here")
    joiner = _joiner(settings, context)
    joins = joiner().joins
    if joins and settings.parser and not settings.docker_mode:
        context.log.warning("parser %s is not used: lines that are joined are not parsed", settings.parser)
    shape = Shape(
        key=settings.key,
        parser=context.parser(settings.parser) if settings.parser and not joins else None,
        path_key=settings.path_key,
        offset_key=settings.offset_key,
        skip_empty_lines=settings.skip_empty_lines,
    )
    discovery = Discovery(settings.path, settings.exclude_path)
    following = Following(
        settings=settings,
        tag=settings.tag or context.name,
        tag_regex=_tag_regex(settings),
        joiner=joiner,
        joins=joins,
    )
    return Tail(
        following,
        context,
        shape=shape,
        discovery=discovery,
        changes=Changes(discovery, wanted=settings.inotify_watcher),
        open_store=lambda: opened_store(settings, context),
    )


def _tag_regex(settings: TailSettings) -> re.Pattern[str] | None:
    if not settings.tag_regex:
        return None
    try:
        return re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", settings.tag_regex))
    except re.error as error:
        raise ConfigurationError(f"{settings.place}: [INPUT] tail: tag_regex: {error}") from error


def _joiner(settings: TailSettings, context: InputContext) -> Callable[[], Joiner]:
    """Makes one for each file."""
    if settings.multiline_parser:
        parser = combine([context.multiline_parser(name) for name in settings.multiline_parser])
        return lambda: Joiner(parser.stream(), parser.flush_timeout)
    if settings.multiline:
        first = context.parser(settings.parser_firstline)
        others = tuple(context.parser(entry.words[0]) for entry in settings.parser_n)
        return lambda: Joiner(FirstLine(first, others, settings.key), settings.multiline_flush)
    if settings.docker_mode:
        inner = context.parser(settings.parser) if settings.parser else None
        return lambda: Joiner(DockerParts(inner, settings.key), settings.docker_mode_flush)
    nothing = Joiner(None)
    return lambda: nothing


PLUGIN = InputPlugin(name="tail", settings=TailSettings, build=build)
