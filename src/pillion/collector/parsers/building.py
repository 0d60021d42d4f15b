"""From a `[PARSER]` section to the parser it describes."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, assert_never

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.parsers.casting import parse_types
from pillion.collector.parsers.decoding import Decoders
from pillion.collector.parsers.jsonparser import JsonParser
from pillion.collector.parsers.logfmt import LogfmtParser
from pillion.collector.parsers.ltsv import LtsvParser
from pillion.collector.parsers.regexparser import RegexParser
from pillion.collector.parsers.ruby import RubyRegex, compile_ruby
from pillion.collector.parsers.timing import TimeReader

if TYPE_CHECKING:
    from pillion.collector.configuration.parsers import ParserSettings
    from pillion.collector.parsers import Parser

DEFAULT_TIME_KEY = "time"


def build_parser(settings: ParserSettings, zone: datetime.tzinfo = datetime.UTC) -> Parser:
    """`zone` is the machine's, for Time_System_Timezone, or Time_Zone's. Raises ConfigurationError."""
    time = _time(settings, zone)
    key = settings.time_key or DEFAULT_TIME_KEY
    decoders = Decoders(settings.decoders) if settings.decoders else None
    casts = parse_types(settings.types)
    match settings.format:
        case "json":
            return JsonParser(
                name=settings.name, time=time, time_key=key, time_keep=settings.time_keep, decoders=decoders
            )
        case "regex":
            return RegexParser(
                name=settings.name, regex=_regex(settings), time=time, time_key=key,
                time_keep=settings.time_keep, casts=casts, decoders=decoders, skip_empty=settings.skip_empty_values,
            )  # fmt: skip
        case "ltsv":
            return LtsvParser(
                name=settings.name, time=time, time_key=key, time_keep=settings.time_keep,
                time_strict=settings.time_strict, casts=casts, decoders=decoders,
            )  # fmt: skip
        case "logfmt":
            return LogfmtParser(
                name=settings.name, time=time, time_key=key, time_keep=settings.time_keep,
                time_strict=settings.time_strict, casts=casts, decoders=decoders,
                no_bare_keys=settings.logfmt_no_bare_keys,
            )  # fmt: skip
        case _:
            assert_never(settings.format)


def _time(settings: ParserSettings, zone: datetime.tzinfo) -> TimeReader | None:
    if not settings.time_format:
        return None
    try:
        return TimeReader(settings, zone)
    except ValueError as error:
        raise ConfigurationError(f"{settings.place}: [PARSER] time_offset: {error}") from None


def _regex(settings: ParserSettings) -> RubyRegex:
    try:
        return compile_ruby(settings.regex)
    except ValueError as error:
        raise ConfigurationError(f"{settings.place}: [PARSER] regex: {error}") from None
