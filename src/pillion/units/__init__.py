"""Numbers with a meaning, and their text: quantities, durations, instants; text in quotes. Spelled as Kubernetes does.

Does not know what the numbers are for, nor what time it is.
"""

from pillion.units.durations import go_duration, go_milliseconds, human_duration
from pillion.units.gostrings import quote
from pillion.units.instants import (
    Instant,
    format_micro_time,
    format_nano_time,
    format_time,
    parse_nano_time,
    parse_time,
)
from pillion.units.quantities import format_quantity, parse_quantity, quantity_millis, quantity_value

__all__ = [
    "Instant",
    "format_micro_time",
    "format_nano_time",
    "format_quantity",
    "format_time",
    "go_duration",
    "go_milliseconds",
    "human_duration",
    "parse_nano_time",
    "parse_quantity",
    "parse_time",
    "quantity_millis",
    "quantity_value",
    "quote",
]
