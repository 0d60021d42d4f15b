"""The expectations are those of Fluent Bit's plugins/filter_nest/nest.c."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.filter_lab import Lab

from pillion.collector.configuration import ConfigurationError

NEST = "Operation nest\n"
LIFT = "Operation lift\n"


@pytest.mark.parametrize(
    ("keys", "body", "expected"),
    [
        (NEST + "Wildcard M.*\nNest_under m", {"M.a": 1, "x": 2, "M.b": 3}, {"x": 2, "m": {"M.a": 1, "M.b": 3}}),
        (NEST + "Wildcard a\nWildcard b\nNest_under in", {"a": 1, "b": 2, "ab": 3}, {"ab": 3, "in": {"a": 1, "b": 2}}),
        (NEST + "Wildcard none*\nNest_under in", {"a": 1}, {"a": 1}),
        (NEST + "Wildcard *\nNest_under in", {"a": 1, "b": 2}, {"in": {"a": 1, "b": 2}}),
        (NEST + "Wildcard M*\nNest_under mem\nRemove_prefix M.", {"M.a": 1, "Mx": 2}, {"mem": {"a": 1, "Mx": 2}}),
        (NEST + "Wildcard a\nNest_under in\nAdd_prefix p_", {"a": 1, "b": 2}, {"b": 2, "in": {"p_a": 1}}),
        (NEST + "Wildcard a\nNest_under b", {"b": 0, "a": 1}, {"b": {"a": 1}}),
        (LIFT + "Nested_under in", {"in": {"a": 1}, "b": 2}, {"b": 2, "a": 1}),
        (LIFT + "Nested_under in\nAdd_prefix in.", {"in": {"a": 1}, "b": 2}, {"b": 2, "in.a": 1}),
        (LIFT + "Nested_under in\nRemove_prefix x", {"in": {"xa": 1, "b": 3}}, {"a": 1, "b": 3}),
        (LIFT + "Nested_under in", {"in": [1], "b": 2}, {"in": [1], "b": 2}),
        (LIFT + "Nested_under in", {"b": 2}, {"b": 2}),
        (LIFT + "Nested_under in", {"b": 2, "in": {"b": 3}}, {"b": 3}),
        (LIFT + "Nested_under in", {"in": {"in": 1}}, {"in": 1}),
    ],
)  # fmt: skip
def test_fields_go_into_a_map_and_out_of_it(
    keys: str, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = Lab("nest", keys).body(body)
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("Wildcard x", "operation is missing"),
        ("Operation nest\nWildcard x", "nest_under is missing"),
        ("Operation lift\nNested_under x\nAdd_prefix a\nRemove_prefix b", "cannot be used together"),
        ("Operation nesting\nNest_under x", "not one of nest, lift"),
    ],
)
def test_what_is_wrong_is_said(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        Lab("nest", keys)
