"""What holds can be written down again, and editors are told the same as the reader asks for."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from tests.unit.proxy.configuration.house import GOOD, changed, read
from tests.unit.proxy.configuration.test_reading import EVERYTHING, EXAMPLE, without_lines

from pillion.proxy.configuration import render, schema
from pillion.proxy.configuration.sections import Section, chapters
from pillion.proxy.configuration.tables import DOCUMENT

VALIDATOR = jsonschema.Draft202012Validator(schema())


def tree(text: str) -> Any:
    """As an editor reads it: YAML 1.2, where `on` is text."""
    return yaml.load(text, _Core)


class _Core(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own
        first: [(tag, match) for tag, match in known if tag != "tag:yaml.org,2002:bool" or first in "tf"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@pytest.mark.parametrize("text", [GOOD, EVERYTHING, EXAMPLE.read_text()], ids=["small", "whole", "example"])
def test_what_is_rendered_loads_as_the_same(text: str) -> None:
    found = read(text)
    rendered = render(found)
    assert without_lines(read(json.dumps(rendered))) == without_lines(found)
    assert list(VALIDATOR.iter_errors(rendered)) == []


def test_defaults_are_rendered_in_the_units_of_the_file() -> None:
    rendered = render(read(GOOD))
    assert rendered["drain"] == "25s"
    assert rendered["ports"] == {"admin": 15000, "metrics": 15020, "health": 15021}
    assert rendered["inbound"][0]["routes"][0]["idleTimeout"] == "5m"


@pytest.mark.parametrize("text", [GOOD, EVERYTHING, EXAMPLE.read_text()], ids=["small", "whole", "example"])
def test_an_editor_takes_what_is_good(text: str) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(tree(text))] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tls: mutual", "tls: mtls"),
        ("port: 8443", "prot: 8443"),
        ("port: 8443", 'port: "8443"'),
        ("to: 8000", "to: 70000"),
        ("folder: /tls", "key: /k"),
        ("folder: /tls", "folder: /tls\n  identity: [spiffe://example.org/a]"),
        ("{prefix: /v1}", "{prefix: v1}"),
        ("{prefix: /v1}", "{prefix: /v1, exact: /v2}"),
        ("certificates:", "drain: 5\ncertificates:"),
        ("- spiffe://example.org/ns/default/sa/client", "- {}"),
    ],
)
def test_an_editor_marks_what_is_refused(old: str, new: str) -> None:
    assert list(VALIDATOR.iter_errors(tree(changed(old, new)))) != []


@pytest.mark.parametrize("section", chapters(DOCUMENT).values(), ids=lambda section: section.title)
def test_the_keys_are_the_fields(section: Section) -> None:
    """Every field can be written, and every key but the shorthand is one."""
    fields = set(section.cls.__struct_fields__) - {"line", "lines", "file", "warnings", "bundle_is_issuers"}
    fields -= {"present"} if section.title == "Text match" else set()  # of headers only
    assert {key.field for key in section.keys} - {"folder"} == fields
