"""The classic format, line by line, as src/config_format/flb_cf_fluentbit.c reads it."""

from __future__ import annotations

import pytest
from tests.unit.collector.configuration.house import MAIN, MemoryFiles

from pillion.collector.configuration.document import Document, Section
from pillion.collector.configuration.failure import Complaints, Place
from pillion.collector.configuration.reading import read_file


def read(text: str, **others: str) -> tuple[Document, list[str]]:
    complaints = Complaints(lenient=False)
    files = MemoryFiles({MAIN: text, **others})
    document = read_file(MAIN, files, complaints, asked_at=Place("here"))
    return document, [str(fault) for fault in complaints.faults]


def shown(section: Section) -> tuple[str, list[tuple[str, str | tuple[str, ...]]]]:
    return section.title, [(prop.key, prop.value) for prop in section.properties]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[INPUT]\n    Name tail\n    Path /a b\n", [("name", "tail"), ("path", "/a b")]),
        ("[input]\n\tNAME   tail  \n", [("name", "tail")]),
        ("[INPUT]\r\n    Name tail\r\n", [("name", "tail")]),
        ("[INPUT]\n    Name tail", [("name", "tail")]),
        ("# c\n\n[INPUT]\n    # c\n    Name tail # no comment\n", [("name", "tail # no comment")]),
        ("[INPUT] # c\n    Name tail\n        # c\n", [("name", "tail")]),
        ("[INPUT]\n    Name tail\n    \n\n    Tag x\n", [("name", "tail"), ("tag", "x")]),
        ("[INPUT]\n  Name tail\n    Tag x\n", [("name", "tail"), ("tag", "x")]),
        ("[INPUT]\n    Name tail\n    Name twice\n", [("name", "tail"), ("name", "twice")]),
        ("[INPUT]\n    storage.type filesystem\n", [("storage.type", "filesystem")]),
        ('[INPUT]\n    Dummy {"a": "b"}\n', [("dummy", '{"a": "b"}')]),
    ],
)
def test_keys_and_values(text: str, wanted: list[tuple[str, str]]) -> None:
    document, faults = read(text)
    assert faults == []
    assert shown(document.sections[0]) == ("[INPUT]", wanted)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("INPUT", "[INPUT]"),
        ("inputs", "[INPUT]"),
        ("In", "[INPUT]"),
        ("S", "[SERVICE]"),
        ("P", "[PARSER]"),
        ("multiline_parser", "[MULTILINE_PARSER]"),
        ("OUTPUTS", "[OUTPUT]"),
    ],
)
def test_the_beginning_of_a_sections_name_is_enough(name: str, wanted: str) -> None:
    document, faults = read(f"[{name}]\n    Name x\n")
    assert faults == []
    assert [section.title for section in document.sections] == [wanted]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[INPUT]\n    Name\n", "2: [INPUT] Name: has no value"),
        ("[INPUT]\n    Name \n", "2: [INPUT] Name: has no value"),
        ("[INPUT]\n    Name\ttail\n", "2: [INPUT] Name: has no value: put a blank, not a tab, between them"),
        ("[INPUT]\nName tail\n", "2: 'Name' must be indented, or begin with [, @ or #"),
        ("    Name tail\n", "1: a key before any [SECTION]"),
        ("[INPUT\n    Name x\n", "1: '[INPUT': the ] is missing"),
        ("[INPTU]\n    Name x\n", "1: [INPTU]: there is no such section; did you mean input?"),
        (
            "[INPUT]\n    Name x\n   Tag y\n",
            "3: 'Tag': is indented by 3 instead of 4 like the lines above, which Fluent Bit refuses",
        ),
        (
            "[INPUT]\n    Name x\n     Tag y\n",
            "3: 'Tag': is indented by 5 instead of 4 like the lines above, which Fluent Bit refuses",
        ),
        (
            "[INPUT]\n    Name x\n  \n    Tag y\n",
            "3: a line of blanks: is indented by 2 instead of 4 like the lines above, which Fluent Bit refuses",
        ),
        (
            "[INPUT]\n    Name x\n\tTag y\n",
            "3: 'Tag': tabs and blanks are mixed in the indentation, which Fluent Bit refuses",
        ),
        ("@INCLUDE\n", "1: @INCLUDE: the file is missing"),
        ("@SET a\n", "1: @SET: write it as `@SET NAME=VALUE`"),
        ("@FOO a\n", "1: @FOO: there are only @SET and @INCLUDE"),
        ("[INPUT]\n    @INCLUDE x\n", "2: @INCLUDE: must stand in the first column"),
        ("@INCLUDE no.conf\n", "1: cannot read /etc/fb/no.conf: No such file or directory"),
        ("@INCLUDE no*.conf\n", "1: no*.conf matches no file in /etc/fb; Fluent Bit refuses that"),
        ("@INCLUDE fluent-bit.conf\n", "1: /etc/fb/fluent-bit.conf is read twice"),
        (
            "[INPUT]\n    Name x\n    [PROCESSORS]\n        a b\n",
            "3: [PROCESSORS]: groups inside a section are not supported: write filters as [FILTER] sections",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, fault: str) -> None:
    assert read(text)[1] == [f"{MAIN}:{fault}"]


def test_what_is_included_stands_where_it_is_included() -> None:
    text = "[INPUT]\n    Name a\n@INCLUDE parts/*.conf\n    Tag still.a\n[INPUT]\n    Name z\n"
    document, faults = read(
        text,
        **{
            "/etc/fb/parts/1.conf": "[INPUT]\n  Name b\n@INCLUDE parts/2.txt\n",
            "/etc/fb/parts/2.txt": "[INPUT]\n\tName c\n",
            "/etc/fb/parts/3.conf": "@SET x=1\n[OUTPUT]\n Name d\n",
        },
    )
    assert faults == []
    assert [shown(section) for section in document.sections] == [
        ("[INPUT]", [("name", "a"), ("tag", "still.a")]),
        ("[INPUT]", [("name", "b")]),
        ("[INPUT]", [("name", "c")]),
        ("[OUTPUT]", [("name", "d")]),
        ("[INPUT]", [("name", "z")]),
    ]
    assert str(document.sections[2].place) == "/etc/fb/parts/2.txt:1"
    assert [(found.name, found.value) for found in document.variables] == [("x", "1")]


def test_a_value_of_set_keeps_its_equals_signs() -> None:
    document, _ = read("@SET  url=http://x/?a=b \n@set empty=\n")
    assert [(found.name, found.value) for found in document.variables] == [
        ("url", "http://x/?a=b"),
        ("empty", ""),
    ]


def test_a_section_without_keys_is_worth_a_warning() -> None:
    complaints = Complaints(lenient=False)
    read_file(MAIN, MemoryFiles({MAIN: "[INPUT]\n[OUTPUT]\n  a b\n"}), complaints, asked_at=Place("here"))
    assert list(map(str, complaints.warnings)) == [f"{MAIN}:1: [INPUT]: has no keys"]
