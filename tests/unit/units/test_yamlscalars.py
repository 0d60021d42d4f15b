"""What a plain scalar means in YAML 1.2, which files of our own are written in."""

from __future__ import annotations

import pytest

from pillion.units.yamlscalars import Value, resolve_core


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-7", -7),
        ("007", 7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        *((word, word) for word in ("on", "off", "yes", "no", "y", "n", "1_000", "0x1f", "0b1", "1:30")),
        ("1e999", "1e999"),
        ("9" * 30, float("9" * 30)),
    ],
)
def test_a_plain_scalar_of_yaml_1_2(text: str, value: Value) -> None:
    found = resolve_core(text)
    assert found == value
    assert type(found) is type(value)
