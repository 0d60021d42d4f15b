"""The YAML format, as src/config_format/flb_cf_yaml.c reads it."""

from __future__ import annotations

import pytest
from tests.unit.collector.configuration.house import YAML, MemoryFiles

from pillion.collector.configuration.document import Document
from pillion.collector.configuration.failure import Complaints, Place
from pillion.collector.configuration.reading import read_file
from pillion.collector.configuration.yamlformat import key_name


def read(text: str, **others: str) -> tuple[Document, list[str]]:
    complaints = Complaints(lenient=False)
    files = MemoryFiles({YAML: text, **others})
    document = read_file(YAML, files, complaints, asked_at=Place("here"))
    return document, [str(fault) for fault in complaints.faults]


def test_a_pipeline_becomes_sections_with_the_lines_of_their_keys() -> None:
    document, faults = read("""\
service:
  flush: 1
  HTTP_Server: on
pipeline:
  inputs:
    - name: tail
      path: /a
      readFromHead: true
      multiline.parser: [docker, cri]
  filters:
    - Name: grep
      match: '*'
      exclude: 'log ^a: "b"'
      exclude: log twice
  outputs:
    - name: stdout
      match: "*"
""")
    assert faults == []
    assert [section.title for section in document.sections] == [
        "[SERVICE]",
        "[INPUT]",
        "[FILTER]",
        "[OUTPUT]",
    ]
    service, tail, grep, _ = document.sections
    assert [(prop.key, prop.value) for prop in service.properties] == [("flush", "1"), ("http_server", "on")]
    assert [(prop.key, prop.value, prop.place.line) for prop in tail.properties] == [
        ("name", "tail", 6),
        ("path", "/a", 7),
        ("read_from_head", "true", 8),
        ("multiline.parser", ("docker", "cri"), 9),
    ]
    assert grep.values("exclude") == ('log ^a: "b"', "log twice")


def test_parsers_may_stand_in_the_same_file() -> None:
    document, faults = read("""\
parsers:
  - name: mine
    format: regex
    regex: '^(?<a>.*)$'
multiline_parsers:
  - name: joined
    type: regex
    rules:
      - state: start_state
        regex: '/^a/'
        next_state: cont
      - state: cont
        regex: '/^b/'
        next_state: cont
""")
    assert faults == []
    assert [section.title for section in document.sections] == ["[PARSER]", "[MULTILINE_PARSER]"]
    groups = document.sections[1].groups
    assert [(group.name, [prop.value for prop in group.properties]) for group in groups] == [
        ("rules", ["start_state", "/^a/", "cont"]),
        ("rules", ["cont", "/^b/", "cont"]),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "env:\n  A: 1\n  B: two words\n",
        "env:\n  - name: A\n    value: 1\n  - name: B\n    uri: two words\n",
    ],
)
def test_env_is_a_mapping_or_a_list(text: str) -> None:
    document, faults = read(text)
    assert faults == []
    assert [(found.name, found.value) for found in document.variables] == [("A", "1"), ("B", "two words")]


def test_includes_are_looked_for_beside_the_file_that_names_them() -> None:
    document, faults = read(
        "includes:\n  - parts/*.yaml\npipeline:\n  inputs:\n    - name: last\n",
        **{
            "/etc/fb/parts/a.yaml": "includes: [deep/b.yaml]\npipeline: {inputs: [{name: second}]}\n",
            "/etc/fb/parts/deep/b.yaml": "pipeline: {inputs: [{name: first}]}\n",
        },
    )
    assert faults == []
    assert [section.values("name") for section in document.sections] == [("first",), ("second",), ("last",)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "- a\n",
            "1: the file must be a mapping of env, includes, service, pipeline, parsers, multiline_parsers",
        ),
        ("pipelin:\n  inputs: []\n", "1: pipelin: there is no such section; did you mean pipeline?"),
        ("pipeline:\n  input: []\n", "2: pipeline: input: there is no such part; did you mean inputs?"),
        ("pipeline:\n  inputs:\n    name: tail\n", "3: inputs: must be a list"),
        ("pipeline:\n  inputs:\n    - tail\n", "3: inputs: must be a list of mappings"),
        ("service: [a]\n", "1: service: must be a mapping of keys and values"),
        ("service:\n  flush: {a: 1}\n", "2: service: flush: must be a word or a list of words"),
        (
            "service: {flush: 1}\nservice: {grace: 1}\n",
            "2: service: stands twice: put the keys together, Fluent Bit refuses two",
        ),
        ("env: [a]\n", "1: env: must be a mapping of keys and values"),
        ("env:\n  A: [1]\n", "2: env: A: must be a word"),
        ("includes: [gone.yaml]\n", "1: cannot read /etc/fb/gone.yaml: No such file or directory"),
        ("a: &x 1\nb: *x\n", "2: *x: Fluent Bit's YAML knows no aliases: write the value out"),
        ("a:\n  - b\n c\n", "3: not YAML: did not find expected key"),
        ("a: \x01\n", "1: not YAML: control characters are not allowed"),
        ("[" * 60 + "]" * 60 + "\n", "1: nested deeper than 50 levels"),
        ("{[a]: b}\n", "1: a key must be a word"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, fault: str) -> None:
    faults = read(text)[1]
    assert faults
    assert faults[0].startswith(f"{YAML}:{fault}")


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "pipeline:\n", "pipeline:\n  inputs:\n"])
def test_nothing_is_no_fault_of_the_format(text: str) -> None:
    assert read(text) == (Document(), [])


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("readFromHead", "read_from_head"),
        ("storage.totalLimitSize", "storage.total_limit_size"),
        ("Read_From_Head", "read_from_head"),
        ("read_From_Head", "read_from_head"),
        ("ReadFromHead", "readfromhead"),
        ("match", "match"),
        ("", ""),
    ],
)
def test_humps_become_underscores_where_fluent_bit_does_it(written: str, wanted: str) -> None:
    assert key_name(written) == wanted


def test_a_key_with_a_line_break_does_not_break_the_message() -> None:
    assert read('"a\\nb": 1\n')[1] == [f"{YAML}:1: a b: there is no such section"]


def test_storage_keys_of_the_service_may_be_children() -> None:
    document, faults = read(
        "service:\n  storage:\n    path: /x\n    storage.type: memory\n    keep.rejected: on\n"
    )
    assert faults == []
    assert [(prop.key, prop.value) for prop in document.sections[0].properties] == [
        ("storage.path", "/x"), ("storage.type", "memory"), ("storage.keep.rejected", "on"),
    ]  # fmt: skip
