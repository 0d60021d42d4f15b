"""The python filter: a function from a mounted file. Ours; it stands where Fluent Bit has lua.

    def enrich(record):              # or (record, tag), or (record, tag, time)
        record["team"] = "shop"
        return record                # or a list of records; None drops it

A record may be `(time, record)`, with the time in seconds. A function that raises drops nothing: its record goes on as
it was, is counted, and the first time it is said where.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pillion.collector.configuration.failure import ConfigurationError, nearest
from pillion.collector.configuration.settings import FilterSettings, key
from pillion.collector.filters.stateless import Stateless
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import Body, Content, Records, as_records

_NANOS = 1_000_000_000
_MOST_ARGUMENTS = 3


class PythonSettings(FilterSettings, frozen=True, kw_only=True):
    script: Annotated[str, key(help="the file; a relative path is looked for beside the configuration")]
    function: Annotated[str, key(help="the function in it: record in, record, records or None out")] = (
        "filter"
    )


class Python(Stateless):
    def __init__(self, function: Callable[..., Any], script: Path, context: FilterContext) -> None:
        self._function = function
        self._script = script
        self._context = context
        self._arguments = _arguments(function)

    def filter(self, tag: str, content: Content, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        # The function owns what it is given, and may have changed it before it raises: then the record is read again,
        # from the text if there is one.
        records = as_records(content)
        given = list(map(_copied, records.bodies)) if isinstance(content, Records) else records.bodies
        originals = records if isinstance(content, Records) else None
        times: list[int] = []
        bodies: list[Body] = []
        dropped = 0
        for index, (time, body) in enumerate(zip(records.times, given, strict=True)):
            try:
                returned = self._function(*(body, tag, time / _NANOS)[: self._arguments])
                made = list(_made(returned, time))
            except Exception as error:  # noqa: BLE001 - whatever a user's function raises
                self._say(error)
                originals = originals or as_records(content)
                made = [(time, originals.bodies[index])]
            dropped += not made
            for when, each in made:
                times.append(when)
                bodies.append(each)
        if dropped:
            self._context.dropped(dropped)
        return Filtered(content=Records(times=times, bodies=bodies) if bodies else None)

    def _say(self, error: Exception) -> None:
        """Neither what it says nor what it was given: either may be of the record."""
        self._context.status.errors += 1
        place, kind = _line_in(self._script, error), type(error).__name__
        self._context.notices.raise_(
            f"{self._context.name}: {place}: {kind}",
            f"{place}: the function of the python filter raised {kind}: its records go on as they were",
        )


def _made(returned: Any, time: int) -> Iterator[tuple[int, Body]]:
    """Raises TypeError for anything that is no record."""
    if returned is None:
        return
    if isinstance(returned, dict):
        yield time, returned
    elif _is_timed(returned):
        # A float of seconds has no room for nanoseconds: one that was not changed stays what it was.
        yield time if returned[0] == time / _NANOS else round(returned[0] * _NANOS), returned[1]
    elif isinstance(returned, list):
        for each in returned:
            if not (isinstance(each, dict) or _is_timed(each)):
                raise TypeError("a list of something else than records")
            yield from _made(each, time)
    else:
        raise TypeError("neither a record, nor a list of records, nor None")


def _is_timed(returned: Any) -> bool:
    return (
        isinstance(returned, tuple)
        and len(returned) == len(("time", "record"))
        and isinstance(returned[0], int | float)
        and isinstance(returned[1], dict)
    )


def _copied(value: Any) -> Any:
    """Of what JSON has, as copy.deepcopy, in a fifth of its time."""
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return list(map(_copied, value)) if isinstance(value, list) else value


def _arguments(function: Callable[..., Any]) -> int:
    """How many the function takes, at most three. Raises ValueError."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return _MOST_ARGUMENTS
    positional = [each for each in parameters if each.kind in kinds]
    needed = [each for each in positional if each.default is inspect.Parameter.empty]
    if not positional or len(needed) > _MOST_ARGUMENTS:
        raise ValueError("it must take a record, and may take its tag and its time")
    return min(len(positional), _MOST_ARGUMENTS)


def load_function(script: Path, name: str, about: str) -> Callable[..., Any]:
    """Raises ConfigurationError, with the line of the script that is wrong.

    Nothing is left beside the script (no bytecode), and every call loads it anew.
    """
    try:
        code = compile(script.read_bytes(), str(script), "exec")
    except OSError as error:
        raise ConfigurationError(f"{about} cannot read {script}: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ConfigurationError(f"{about} {script}{line}: {getattr(error, 'msg', error)}") from error
    module = ModuleType(f"pillion_filter_{script.stem}")
    module.__file__ = str(script)
    try:
        exec(code, module.__dict__)  # noqa: S102 - what the user asks for
    except (Exception, SystemExit) as error:
        place = _line_in(script, error)
        raise ConfigurationError(f"{about} {place}: {type(error).__name__}: {error}") from error
    function: Callable[..., Any] | None = getattr(module, name, None)
    if callable(function):
        return function
    known = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
    raise ConfigurationError(f"{about} {script} has no function {name!r}{nearest(name, known)}")


def _line_in(script: Path, error: BaseException) -> str:
    """`SCRIPT:LINE`, the innermost line of the script that had to do with it."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(script)
    ]
    return f"{script}:{lines[-1]}" if lines else str(script)


def build(settings: PythonSettings, context: FilterContext) -> Filter:
    script = context.folder / settings.script
    function = load_function(script, settings.function, f"{settings.place}: script:")
    try:
        return Python(function, script, context)
    except ValueError as error:
        raise ConfigurationError(f"{settings.place}: function: {settings.function}: {error}") from None


PLUGIN = FilterPlugin(name="python", settings=PythonSettings, build=build)
