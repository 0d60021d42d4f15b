"""The multiline parsers that need no definition: docker, cri, go, java, ruby, python, json.

Sources: Fluent Bit's src/multiline/flb_ml_parser_*.c. Python's is our own (`python.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from pillion.collector.configuration.parsers import ParserSettings
from pillion.collector.multiline.joiners import (
    Joiner,
    RegexJoiner,
    StringJoiner,
    ends_with,
    equals,
)
from pillion.collector.multiline.python import NEEDLES, PythonJoiner
from pillion.collector.multiline.rules import States, link
from pillion.collector.multiline.streams import Form, Multiline
from pillion.collector.parsers import build_parser

FLUSH_TIMEOUT = 4.0
"""Seconds (FLB_ML_FLUSH_TIMEOUT)."""

_GO: States = (
    ("start_state", r"\bpanic: ", "go_after_panic"),
    ("start_state", r"http: panic serving", "go_goroutine"),
    ("go_after_panic, go_after_signal, go_frame_1", r"^$", "go_goroutine"),
    ("go_after_panic", r"^\[signal ", "go_after_signal"),
    ("go_goroutine", r"^goroutine \d+ \[[^\]]+\]:$", "go_frame_1"),
    ("go_frame_1", r"^(?:[^\s.:]+\.)*[^\s.():]+\(|^created by ", "go_frame_2"),
    ("go_frame_2", r"^\s", "go_frame_1"),
)
_THROWN = "java_after_exception, java"
_JAVA: States = (
    ("start_state, java_start_exception", r".(?:Exception|Error|Throwable|V8 errors stack trace)[:\r\n]",
     "java_after_exception"),
    ("java_after_exception", r"^[\t ]*nested exception is:[\t ]*", "java_start_exception"),
    ("java_after_exception", r"^[\r\n]*$", "java_after_exception"),
    (_THROWN, r"^[\t ]+(?:eval )?at ", "java"),
    (_THROWN, r"^[\t ]+--- End of inner exception stack trace ---$", "java"),
    (_THROWN, r"^--- End of stack trace from previous location where exception was thrown ---$", "java"),
    (_THROWN, r"^[\t ]*(?:Caused by|Suppressed):", "java_after_exception"),
    (_THROWN, r"^[\t ]*... \d+ (?:more|common frames omitted)", "java"),
)  # fmt: skip
_RUBY: States = (
    ("start_state, ruby_start_exception", r"^.+:\d+:in\s+.*", "ruby_after_exception"),
    ("ruby_after_exception, ruby", r"^\s+from\s+.*:\d+:in\s+.*", "ruby"),
)
_JSON: States = (("start_state", r"^\{.*", "cont"), ("cont", r"^([^\S\r\n].*|})$", "cont"))


def _regex(name: str, states: States, needles: tuple[bytes, ...] = ()) -> Multiline:
    rules = link(states)

    def joiner(key: str, limit: int) -> Joiner:
        return RegexJoiner(key, rules, limit)

    return _one(Form(name=name, flush_timeout=FLUSH_TIMEOUT, joiner=joiner, needles=needles))


def _one(form: Form) -> Multiline:
    return Multiline(name=form.name, forms=(form,))


def _docker() -> Multiline:
    """Docker ends the last piece of a line with the line's end."""
    parser = build_parser(
        ParserSettings(
            name="docker", format="json", time_key="time", time_format="%Y-%m-%dT%H:%M:%S.%L", time_keep=True,
            time_strict=False,
        )
    )  # fmt: skip
    fits = ends_with("\n", negate=False)
    return _one(
        Form(
            name="docker", flush_timeout=FLUSH_TIMEOUT, joiner=lambda key, limit: StringJoiner(key, fits, limit),
            key_content="log", key_group="stream", parser=parser,
        )
    )  # fmt: skip


def _cri() -> Multiline:
    """A line `P` goes on in the next, a line `F` ends it."""
    parser = build_parser(
        ParserSettings(
            name="cri", format="regex", time_key="time", time_format="%Y-%m-%dT%H:%M:%S.%L%z", time_keep=True,
            time_strict=False, skip_empty_values=False,
            regex="^(?<time>.+?) (?<stream>stdout|stderr) (?<_p>F|P) (?<log>.*)$",
        )
    )  # fmt: skip
    fits = equals("F", negate=False)
    return _one(
        Form(
            name="cri", flush_timeout=FLUSH_TIMEOUT, joiner=lambda key, limit: StringJoiner(key, fits, limit),
            key_content="log", key_group="stream", key_pattern="_p", parser=parser,
        )
    )  # fmt: skip


def _python() -> Multiline:
    return _one(Form(name="python", flush_timeout=FLUSH_TIMEOUT, joiner=PythonJoiner, needles=NEEDLES))


_BUILTIN: dict[str, Callable[[], Multiline]] = {
    "docker": _docker,
    "cri": _cri,
    "go": lambda: _regex("go", _GO, (b"panic: ", b"http: panic serving")),
    "java": lambda: _regex(
        "java", _JAVA, (b"Exception:", b"Error:", b"Throwable:", b"V8 errors stack trace:", b"\r")
    ),
    "ruby": lambda: _regex("ruby", _RUBY, (b":in",)),
    "python": _python,
    "json": lambda: _regex("json", _JSON),
}
BUILTIN_NAMES = frozenset(_BUILTIN)


def builtin(name: str) -> Multiline | None:
    """By name, in any case; None for a name that is not in BUILTIN_NAMES."""
    make = _BUILTIN.get(name.lower())
    return None if make is None else make()
