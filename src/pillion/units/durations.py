"""Lengths of time, written the two ways kubectl's readers know."""

from __future__ import annotations


def go_duration(seconds: int) -> str:
    """Whole seconds as Go's time.Duration prints them: `10s`, `1m20s`, `5m0s`, `1h0m0s`."""
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(abs(seconds), 60)
    if minutes == 0:
        return f"{sign}{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{rest}s" if hours else f"{sign}{minutes}m{rest}s"


def go_milliseconds(milliseconds: int) -> str:
    """A span of milliseconds, none of them negative, as Go prints it: `0s`, `5ms`, `1.661s`, `1m2.5s`."""
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    seconds, fraction = divmod(milliseconds, 1000)
    tail = f".{fraction:03}".rstrip("0") if fraction else ""
    return f"{go_duration(seconds)[:-1]}{tail}s"


def human_duration(seconds: float) -> str:
    """The short form of kubectl's AGE column (apimachinery, util/duration: HumanDuration).

    The longer it lasts, the coarser: two units at most, the second one only while it still tells something.
    """
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if minutes < 10:
        return _two_units(minutes, "m", whole % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two_units(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two_units(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two_units(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two_units(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
