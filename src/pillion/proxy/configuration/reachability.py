"""Routes that can never match: an earlier one takes all that they would."""

from __future__ import annotations

from collections.abc import Sequence

from pillion.proxy.configuration.reading import Reading
from pillion.proxy.configuration.values import HeaderMatch, Match, Route, StringMatch

# Of a path, which always begins with a slash.
_EVERYTHING = frozenset({".*", "/.*", "(.*)", ".+", "/?.*"})


def check_routes(routes: Sequence[Route], reading: Reading) -> None:
    """Of one listener, in their order. Only a single earlier route is asked, not several together."""
    sound = [route for route in routes if reading.is_sound(route, "match")]
    for index, route in enumerate(sound):
        _check_itself(route, reading)
        for earlier in sound[:index]:
            if covers(earlier.match, route.match):
                where = reading.where(earlier)
                if earlier.match == route.match:
                    text, remedy = "matches the same requests as", "remove one of them"
                else:
                    text, remedy = "can never match: all its requests go to", "put it above that one"
                reading.fault(reading.where(route), f"{text} {where.path} (line {where.line})", remedy)
                break


def _check_itself(route: Route, reading: Reading) -> None:
    """Two conditions on one header that cannot both hold."""
    headers = route.match.headers
    for index, header in enumerate(headers):
        for other in headers[:index]:
            if header.name == other.name and _exclude(header.value, other.value):
                text = f"can never match: two conditions on the header {header.name} exclude each other"
                reading.fault(reading.where(route), text, "remove one of them")


def covers(wide: Match, narrow: Match) -> bool:
    """Whatever `narrow` matches, `wide` does. False when that cannot be told."""
    return (
        _covers_path(wide, narrow)
        and (not wide.methods or (bool(narrow.methods) and set(narrow.methods) <= set(wide.methods)))
        and all(any(_implies(said, header) for said in narrow.headers) for header in wide.headers)
        and (
            not wide.hosts
            or (bool(narrow.hosts) and all(_covers_host(wide.hosts, host) for host in narrow.hosts))
        )
    )


def _covers_path(wide: Match, narrow: Match) -> bool:
    if wide.regex is not None:
        return wide.regex in _EVERYTHING or wide.regex == narrow.regex
    if wide.exact is not None:
        return wide.exact == narrow.exact
    prefix = wide.prefix or "/"
    if prefix == "/":
        return True
    below = narrow.exact if narrow.exact is not None else narrow.prefix
    return below is not None and _is_below(below, prefix)


def _is_below(path: str, prefix: str) -> bool:
    """By whole segments, unless the prefix ends with `/`."""
    return path.startswith(prefix if prefix.endswith("/") else f"{prefix}/") or path == prefix


def _covers_host(wide: tuple[str, ...], host: str) -> bool:
    return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in wide)


def _implies(narrow: HeaderMatch, wide: HeaderMatch) -> bool:
    """A header that is as `narrow` says is as `wide` says."""
    if narrow.name != wide.name:
        return False
    said, asked = narrow.value, wide.value
    if said == asked:
        return True
    if said.present is False:
        return False
    if asked.present is not None:
        return asked.present
    if said.exact is not None:
        return _accepts(asked, said.exact)
    return said.prefix is not None and asked.prefix is not None and said.prefix.startswith(asked.prefix)


def _exclude(one: StringMatch, other: StringMatch) -> bool:
    if one.present is False or other.present is False:
        return one.present is not other.present
    for said, asked in ((one, other), (other, one)):
        if said.exact is not None and asked.regex is None:
            return not _accepts(asked, said.exact)
    return False


def _accepts(asked: StringMatch, text: str) -> bool:
    """False when that cannot be told: Python's matcher could take for ever over a regular expression."""
    if asked.exact is not None:
        return asked.exact == text
    if asked.prefix is not None:
        return text.startswith(asked.prefix)
    return asked.regex == ".*" or asked.present is True
