"""Parser definitions as values: `[PARSER]` and `[MULTILINE_PARSER]` sections, YAML's `parsers` and `multiline_parsers`.

What they do is `pillion.collector.parsers` and `pillion.collector.multiline`. Sources: Fluent Bit's src/flb_parser.c
(`parser_conf_file`, `multiline_parser_conf_file`) and src/flb_parser_decoder.c (`flb_parser_decoder_list_create`).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from pillion.collector.configuration.settings import Entry, Kind, key


class ParserSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One `[PARSER]`. An empty text stands for a key that is absent."""

    place: str = ""
    name: Annotated[str, key(help="what plugins call it")]
    format: Annotated[Literal["json", "regex", "ltsv", "logfmt"], key(help="what the text looks like")]
    regex: Annotated[
        str, key(help="for `regex`: Ruby's syntax, named groups become keys; as written, `/…/i` included")
    ] = ""
    time_key: Annotated[str, key(help="the field with the time")] = ""
    time_format: Annotated[str, key(help="as strptime, with `%L` for fractions of a second")] = ""
    time_keep: Annotated[bool, key(help="leave the time's field in the record")] = False
    time_offset: Annotated[str, key(help="`+HHMM` of times that name no zone")] = ""
    time_strict: Annotated[bool, key(help="a time that does not match makes the text not match")] = True
    time_system_timezone: Annotated[bool, key(help="times that name no zone are in the machine's")] = False
    time_zone: Annotated[str, key(help="the zone of times that name none: `Europe/Berlin`")] = ""
    types: Annotated[
        tuple[str, ...], key(kind=Kind.WORDS, help="`field:type`: integer, float, bool, hex or string")
    ] = ()
    decoders: Annotated[
        tuple[Entry, ...],
        key(
            kind=Kind.ENTRIES,
            keys=("decode_field", "decode_field_as"),
            words=3,
            help="`json|escaped|escaped_utf8|mysql_quoted FIELD [try_next|do_next]`",
        ),
    ] = ()
    skip_empty_values: Annotated[bool, key(help="for `regex`: a group that matched nothing is no field")] = (
        True
    )
    logfmt_no_bare_keys: Annotated[bool, key(help="for `logfmt`: a key without a value does not match")] = (
        False
    )

    def __post_init__(self) -> None:
        if self.format == "regex" and not self.regex:
            raise ValueError("format regex needs a regex")
        if self.time_zone and not self.time_format:
            raise ValueError("time_zone needs a time_format")
        if self.time_zone and (self.time_system_timezone or self.time_offset):
            raise ValueError("time_zone cannot be used together with time_system_timezone or time_offset")


class MultilineRule(msgspec.Struct, frozen=True, kw_only=True):
    """In one of `states`, a line that `pattern` finds belongs to the message, and `next` is the state after it."""

    states: tuple[str, ...]
    pattern: str
    """As written between the quotes: `/…/` included."""
    next: str
    """Empty: none."""
    place: str


class MultilineParserSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One `[MULTILINE_PARSER]`. An empty text stands for a key that is absent."""

    place: str = ""
    name: str
    type: Literal["regex", "endswith", "equal"]
    match_string: str = ""
    """For `endswith` and `equal`."""
    negate: bool = False
    rules: tuple[MultilineRule, ...] = ()
    """For `regex`."""
    key_content: str = ""
    key_group: str = ""
    key_pattern: str = ""
    parser: str = ""
    """A parser whose fields the keys above name."""
    flush_timeout: float | None = None
    """Seconds; None: the default. (Milliseconds in the configuration.)"""
