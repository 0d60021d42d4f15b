"""Record accessors and texts with them in it."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.collector.records import MISSING, Accessor, parse_accessor, parse_template


def body() -> dict[str, Any]:
    return {"log": "x", "a.b": 1, "k": {"l": {"app/name": "web", "it's": 2}, "list": [1, {"z": 3}]}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$log", "x"),
        ("log", "x"),
        ("a.b", 1),
        ("$k['l']['app/name']", "web"),
        ("$k['l']['it''s']", 2),
        ("$k['list'][1]['z']", 3),
        ("$k [ 'list' ] [0]", 1),
        ("$k['list'][2]", MISSING),
        ("$k['list']['0']", MISSING),
        ("$log['x']", MISSING),
        ("$nothing", MISSING),
        ("$nothing['a'][0]", MISSING),
    ],
)
def test_an_accessor_leads_to_a_value(text: str, value: Any) -> None:
    assert parse_accessor(text).get(body()) == value


@pytest.mark.parametrize("text", ["", "$", "$a[", "$a['b'", "$a['b']x", "$a[b]", "$['a']"])
def test_what_is_no_accessor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"accessor|key"):
        parse_accessor(text)


def test_an_accessor_is_written_as_it_is_read() -> None:
    accessor = Accessor(key="k", steps=("it's", 0))
    assert str(accessor) == "$k['it''s'][0]"
    assert parse_accessor(str(accessor)) == accessor


def test_a_value_is_set_with_the_maps_that_lead_to_it() -> None:
    record = body()
    assert parse_accessor("$new['a']['b']").set(record, 1)
    assert parse_accessor("$k['list'][1]['z']").set(record, 4)
    assert parse_accessor("$k['list'][0]").set(record, 0)
    assert parse_accessor("flat").set(record, 5)
    assert not parse_accessor("$log['x']").set(record, 1)
    assert not parse_accessor("$k['list'][9]").set(record, 1)
    assert record["new"] == {"a": {"b": 1}}
    assert record["k"]["list"] == [0, {"z": 4}]
    assert record["flat"] == 5


def test_a_value_is_taken_out() -> None:
    record = body()
    assert parse_accessor("$k['l']['it''s']").delete(record)
    assert parse_accessor("$k['list'][0]").delete(record)
    assert parse_accessor("log").delete(record)
    assert not parse_accessor("log").delete(record)
    assert not parse_accessor("$k['x']['y']").delete(record)
    assert record == {"a.b": 1, "k": {"l": {"app/name": "web"}, "list": [{"z": 3}]}}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("plain", "plain"),
        ("from.$log.new", "from.x.new"),
        ("$log", "x"),
        ("$TAG", "app.web.7"),
        ("$TAG[1].$TAG[9]!", "web.!"),
        ("$1-$0-$2-$7", "one-all--"),
        ("$k['l']['app/name'].$n", "web."),
        ("$f $t $nil $k['list']", '1.500000 true null [1,{"z":3}]'),
        ("cost: $", "cost: $"),
    ],
)
def test_a_template_is_filled_from_tag_record_and_match(text: str, rendered: str) -> None:
    record = {**body(), "f": 1.5, "t": True, "nil": None}
    assert parse_template(text).render("app.web.7", record, ("all", "one", None)) == rendered


def test_a_template_that_lacks_a_field_is_incomplete() -> None:
    assert parse_template("$log.$x").render_complete("t", body()) is None
    assert parse_template("$log.$TAG").render_complete("t", body()) == "x.t"


def test_a_template_without_fields_is_constant() -> None:
    assert parse_template("a.$TAG[0]").is_constant
    assert not parse_template("a.$b").is_constant
