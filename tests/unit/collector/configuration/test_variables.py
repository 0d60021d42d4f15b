"""`${NAME}`, as src/flb_env.c replaces it."""

from __future__ import annotations

import pytest
from tests.unit.collector.configuration.house import MemoryFiles

from pillion.collector.configuration.document import Variable
from pillion.collector.configuration.failure import Complaints, Place
from pillion.collector.configuration.variables import Variables, define

VARIABLES = Variables({"SET": "one", "BOTH": "set", "NONE": ""}, {"ENV": "two", "BOTH": "env", "EMPTY": ""})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("${SET}", "one"),
        ("a${SET}b${ENV}c", "aonebtwoc"),
        ("${BOTH}", "set"),
        ("x${NONE}y", "xy"),
        ("$SET {SET}", "$SET {SET}"),
        ("${SET}$", "one$"),
    ],
)
def test_variables_are_replaced(text: str, wanted: str) -> None:
    expanded = VARIABLES.expand(text)
    assert (expanded.text, expanded.complaint) == (wanted, "")


@pytest.mark.parametrize(
    ("text", "wanted", "complaint"),
    [
        ("a${GONE}b", "ab", "${GONE} is not set"),
        ("${EMPTY}", "", "${EMPTY} is not set"),
        ("${A}${B}", "", "${A}, ${B} is not set"),
        ("a ${SET", "a ${SET", "a ${ without its }"),
        (r"^\d{3}${SET}", r"^\d{3}${SET}", "a } stands before ${"),
        ("${}", "${}", "a } stands before ${ or right after it"),
    ],
)
def test_what_is_not_replaced_is_complained_of(text: str, wanted: str, complaint: str) -> None:
    expanded = VARIABLES.expand(text)
    assert expanded.text == wanted
    assert expanded.complaint.startswith(complaint)


def test_a_variable_may_be_a_file_for_secrets() -> None:
    complaints = Complaints(lenient=True)
    files = MemoryFiles({"/run/key": "s3cret\n", "/run/none": "\n", "/run/bytes": b"\xff"})
    written = [
        Variable("KEY", "file:///run/key", Place("f", 1)),
        Variable("NONE", "file:///run/none", Place("f", 2)),
        Variable("GONE", "file:///run/gone", Place("f", 3)),
        Variable("BYTES", "file:///run/bytes", Place("f", 4)),
        Variable("KEY2", "first", Place("f", 5)),
        Variable("KEY2", "last", Place("f", 6)),
    ]
    assert define(written, files, complaints) == {"KEY": "s3cret", "KEY2": "last"}
    assert list(map(str, complaints.faults)) == [
        "f:2: NONE: /run/none is empty",
        "f:3: GONE: cannot read /run/gone: No such file or directory",
        "f:4: BYTES: /run/bytes is not UTF-8",
    ]
