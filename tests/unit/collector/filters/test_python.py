from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.filter_lab import TIME, Lab, decoded_records

from pillion.collector.configuration import ConfigurationError
from pillion.collector.records import as_records

HEAD = "import json\n"


def lab(folder: Path, source: str, keys: str = "Function f") -> Lab:
    (folder / "own.py").write_text(HEAD + source)
    return Lab("python", f"Script own.py\n{keys}", folder=folder)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(record): return {**record, 'b': 2}", [{"a": 1, "b": 2}]),
        ("def f(record):\n  record['b'] = 2\n  return record", [{"a": 1, "b": 2}]),
        ("def f(record): return None", []),
        ("def f(record): return []", []),
        ("def f(record): return [record, {'b': 2}]", [{"a": 1}, {"b": 2}]),
        ("def f(record, tag): return {'tag': tag}", [{"tag": "app.web.log"}]),
        ("def f(record, tag, time): return {'time': time}", [{"time": 1_700_000_000.0}]),
        ("def f(record, tag, time, extra=1): return {'extra': extra}", [{"extra": 1}]),
        ("def f(*given): return {'given': len(given)}", [{"given": 3}]),
        ("f = lambda record: {'x': 1}", [{"x": 1}]),
        ("class f:\n  def __new__(cls, record): return {'x': 1}", [{"x": 1}]),
    ],
)
def test_a_function_makes_of_a_record_what_it_likes(tmp_path: Path, source: str, expected: list[Any]) -> None:
    assert lab(tmp_path, source).bodies({"a": 1}) == expected


def times(test: Lab, *given: int) -> list[int]:
    chunk = decoded_records(*({"a": 1} for _ in given))
    chunk.times[:] = given
    filtered = test.put(chunk)
    assert filtered.content is not None
    return as_records(filtered.content).times


def test_times_are_seconds_and_stay_exact_when_they_are_not_changed(tmp_path: Path) -> None:
    assert times(lab(tmp_path, "def f(record, tag, time): return (time, record)"), TIME + 1) == [TIME + 1]
    assert times(lab(tmp_path, "def f(record, tag, time): return (time + 1, record)"), TIME) == [TIME + 10**9]
    assert times(lab(tmp_path, "def f(record): return [record, (5, record)]"), TIME) == [TIME, 5 * 10**9]


@pytest.mark.parametrize(
    "source",
    [
        "def f(record):\n  record['a'] = 9\n  raise ValueError(record)",
        "def f(record): return 'text'",
        "def f(record): return [1]",
        "def f(record): return (1, 2, 3)",
        "def f(record): return record['secret']",
    ],
)
def test_a_function_that_raises_drops_nothing(
    tmp_path: Path, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    test = lab(tmp_path, source)
    assert test.bodies({"a": "password"}) == [{"a": "password"}]
    assert test.status.errors == 2
    (sentence,) = test.context.notices.current.values()
    assert "own.py" in sentence
    assert "go on as they were" in sentence
    assert len(caplog.records) == 1
    assert "password" not in caplog.text


def test_the_line_that_raised_is_said(tmp_path: Path) -> None:
    test = lab(tmp_path, "def f(record):\n  return g(record)\ndef g(record):\n  return record['none']")
    test.bodies({})
    assert re.search(r"own\.py:5: .* KeyError", "".join(test.context.notices.current.values()))


def test_records_that_are_dropped_are_counted(tmp_path: Path) -> None:
    test = lab(tmp_path, "def f(record): return record if record['keep'] else None")
    assert test.bodies({"keep": 1}, {"keep": 0}, {"keep": 0}) == [{"keep": 1}]
    assert test.status.dropped == 4


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def f(record) return 1", "own.py:2: "),
        ("x = 1\nraise RuntimeError('no')", "own.py:3: RuntimeError: no"),
        ("import nothing_like_this", "own.py:2: ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("raise SystemExit(3)", "own.py:2: SystemExit: 3"),
        ("def ff(record): return 1", "has no function 'f'; did you mean ff?"),
        ("def f(): return 1", "it must take a record"),
        ("def f(a, b, c, d): return 1", "it must take a record"),
    ],
)
def test_a_script_that_cannot_be_used_is_said_with_its_line(
    tmp_path: Path, source: str, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)) as caught:
        lab(tmp_path, source)
    assert str(caught.value).startswith("/etc/fb/fluent-bit.conf:")


def test_a_script_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*none\.py: No such file or directory"):
        Lab("python", "Script none.py", folder=tmp_path)


def test_a_script_is_loaded_anew_each_time_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert lab(tmp_path, "def f(record): return {'version': 1}").bodies({}) == [{"version": 1}]
    assert lab(tmp_path, "def f(record): return {'version': 2}").bodies({}) == [{"version": 2}]
    assert [path.name for path in tmp_path.iterdir()] == ["own.py"]
