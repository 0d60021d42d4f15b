"""Records and the three forms in which a chunk of them travels. Pure.

One meaning, three speeds: a chunk stays in the cheapest form that the stages it passes can work on, and every stage
gives the same records whichever form it was handed (tests/properties hold it to that).
"""

from pillion.collector.records.accessor import Accessor, parse_accessor
from pillion.collector.records.appending import append_constants
from pillion.collector.records.bodies import decode_body, encode_body, encode_value
from pillion.collector.records.content import Body, Content, Lines, Records, Texts
from pillion.collector.records.conversion import (
    as_records,
    as_texts,
    count,
    join,
    select,
    size,
    split_in_half,
    times,
    wrap,
)
from pillion.collector.records.dates import (
    DATE_FORMATS,
    Date,
    DateFormat,
    format_time,
    format_times,
    parse_date,
)
from pillion.collector.records.events import event_time, pack_events
from pillion.collector.records.fields import MISSING, object_values, peek, peek_one
from pillion.collector.records.printing import notation, print_events
from pillion.collector.records.searching import contains
from pillion.collector.records.template import Template, parse_template, value_text
from pillion.collector.records.texts import object_lines, object_text
from pillion.collector.records.writing import json_array, json_lines, json_stream

__all__ = [
    "DATE_FORMATS",
    "MISSING",
    "Accessor",
    "Body",
    "Content",
    "Date",
    "DateFormat",
    "Lines",
    "Records",
    "Template",
    "Texts",
    "append_constants",
    "as_records",
    "as_texts",
    "contains",
    "count",
    "decode_body",
    "encode_body",
    "encode_value",
    "event_time",
    "format_time",
    "format_times",
    "join",
    "json_array",
    "json_lines",
    "json_stream",
    "notation",
    "object_lines",
    "object_text",
    "object_values",
    "pack_events",
    "parse_accessor",
    "parse_date",
    "parse_template",
    "peek",
    "peek_one",
    "print_events",
    "select",
    "size",
    "split_in_half",
    "times",
    "value_text",
    "wrap",
]
