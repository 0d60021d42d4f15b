"""Relabelling: every action, with Prometheus' defaults."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.scraper.labels import Action, RelabelConfig, Relabelling, ValidationScheme, regexp
from pillion.scraper.labels.relabel import problems

LABELS = {"a": "foo", "b": "bar", "c": "baz"}


def rule(action: str = "replace", **how: Any) -> RelabelConfig:
    if "regex" in how:
        how["regex"] = regexp(how["regex"])
    if "source_labels" in how:
        how["source_labels"] = tuple(how["source_labels"])
    return RelabelConfig(action=Action(action), **how)


def relabelled(labels: dict[str, str], *rules: RelabelConfig) -> dict[str, str] | None:
    return Relabelling(rules).relabelled(labels)


@pytest.mark.parametrize(
    ("labels", "config", "changes"),
    [
        # replace
        (
            LABELS,
            rule(source_labels="a", regex="f(.*)", target_label="d", replacement="ch${1}-ch${1}"),
            {"d": "choo-choo"},
        ),
        (
            LABELS,
            rule(source_labels="ab", regex="f(.*);(.*)r", target_label="a", replacement="b${1}${2}m"),
            {"a": "boobam"},
        ),
        (
            LABELS,
            rule(source_labels="ab", separator="", regex="foobar", target_label="d", replacement="x"),
            {"d": "x"},
        ),
        (LABELS, rule(source_labels="a", regex="no", target_label="b", replacement="x"), {}),
        (LABELS, rule(source_labels="a", regex="f", target_label="b", replacement="x"), {}),
        (LABELS, rule(source_labels="a", regex="(f).*", target_label="b", replacement="$2"), {"b": None}),
        (LABELS, rule(target_label="d", replacement="constant"), {"d": "constant"}),
        (LABELS, rule(target_label="a", replacement=""), {"a": None}),
        (LABELS, rule(source_labels="x", target_label="a"), {"a": None}),
        (LABELS, rule(source_labels="a", target_label="d"), {"d": "foo"}),
        (
            LABELS,
            rule(source_labels="ab", regex="(foo);(bar)", target_label="${1}_$2", replacement="x"),
            {"foo_bar": "x"},
        ),
        (LABELS, rule(source_labels="x", regex="(.*)", target_label="$1", replacement="y"), {}),
        ({"a": "a.b"}, rule(source_labels="a", target_label="$1", replacement="x"), {"a.b": "x"}),
        (
            {"a": "a.b"},
            rule(
                source_labels="a",
                target_label="$1",
                replacement="x",
                validation_scheme=ValidationScheme.LEGACY,
            ),
            {},
        ),
        (
            {"a": "two\nlines"},
            rule(source_labels="a", target_label="b", replacement="<$1>"),
            {"b": "<two\nlines>"},
        ),
        # case and hash
        ({"a": "FoO"}, rule("lowercase", source_labels="a", target_label="b"), {"b": "foo"}),
        ({"a": "FoOß"}, rule("uppercase", source_labels="a", target_label="b"), {"b": "FOOß"}),
        ({"a": "ΣΑΣ"}, rule("lowercase", source_labels="a", target_label="b"), {"b": "σασ"}),
        (LABELS, rule("lowercase", source_labels="x", target_label="a"), {"a": None}),
        (
            LABELS,
            rule("hashmod", source_labels="c", target_label="d", separator=";", modulus=1000),
            {"d": "976"},
        ),
        (
            {"a": "foo\nbar"},
            rule("hashmod", source_labels="a", target_label="b", separator=";", modulus=1000),
            {"b": "734"},
        ),
        # names
        (
            {"a": "foo", "b1": "bar", "b2": "baz"},
            rule("labelmap", regex="(b.*)", replacement="bar_${1}"),
            {"bar_b1": "bar", "bar_b2": "baz"},
        ),
        (
            {"a": "foo", "__meta_my_bar": "aaa", "__meta_other": "ccc"},
            rule("labelmap", regex="__meta_(my.*)"),
            {"my_bar": "aaa"},
        ),
        ({"a": "foo", "b1": "bar", "b2": "baz"}, rule("labeldrop", regex="(b.*)"), {"b1": None, "b2": None}),
        ({"a": "foo", "b1": "bar", "b2": "baz"}, rule("labelkeep", regex="(b.*)"), {"a": None}),
    ],
)
def test_a_rule_changes_labels(
    labels: dict[str, str], config: RelabelConfig, changes: dict[str, str | None]
) -> None:
    expected = {name: value for name, value in (labels | changes).items() if value is not None}
    assert relabelled(labels, config) == expected


@pytest.mark.parametrize(
    ("config", "is_kept"),
    [
        (rule("keep", source_labels="a", regex="f.*"), True),
        (rule("keep", source_labels="a", regex="o"), False),
        (rule("keep", source_labels="x", regex=""), True),
        (rule("drop", source_labels="a", regex=".*o.*"), False),
        (rule("drop", source_labels="a", regex="f"), True),
        (rule("drop", source_labels="a"), False),
        (rule("drop", source_labels="x"), False),
        (rule("keepequal", source_labels="a", target_label="a"), True),
        (rule("keepequal", source_labels="a", target_label="b"), False),
        (rule("keepequal", source_labels="x", target_label="y"), True),
        (rule("dropequal", source_labels="a", target_label="a"), False),
        (rule("dropequal", source_labels="a", target_label="x"), True),
    ],
)
def test_a_rule_keeps_or_drops(config: RelabelConfig, is_kept: bool) -> None:
    assert (relabelled(LABELS, config) is not None) is is_kept


def test_rules_work_in_order_and_stop_at_the_first_that_drops() -> None:
    rules = [
        rule(source_labels="a", target_label="d", replacement="$1$1"),
        rule("keep", source_labels="d", regex="foofoo"),
        rule("labeldrop", regex="a"),
    ]
    assert relabelled(LABELS, *rules) == {"b": "bar", "c": "baz", "d": "foofoo"}
    assert relabelled(LABELS, rule("drop"), *rules) is None


def test_relabelling_leaves_the_labels_that_it_was_given() -> None:
    labels = {"a": "foo", "empty": ""}
    assert relabelled(labels, rule("labeldrop", regex="a")) == {}
    assert labels == {"a": "foo", "empty": ""}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (rule(), "relabel configuration for replace action requires 'target_label' value"),
        (rule("hashmod", target_label="a"), "relabel configuration for hashmod requires non-zero modulus"),
        (
            rule("hashmod", modulus=8),
            "relabel configuration for hashmod action requires 'target_label' value",
        ),
        (rule("lowercase"), "relabel configuration for lowercase action requires 'target_label' value"),
        (
            rule("uppercase", target_label="a", replacement="b"),
            "'replacement' can not be set for uppercase action",
        ),
        (rule("keepequal"), "relabel configuration for keepequal action requires 'target_label' value"),
        (
            rule("dropequal", target_label="a", regex="b"),
            "dropequal action requires only 'source_labels' and `target_label`, and no other fields",
        ),
        (
            rule("labeldrop", source_labels="a", regex="b"),
            "labeldrop action requires only 'regex', and no other fields",
        ),
        (
            rule("labelkeep", regex="b", target_label="a"),
            "labelkeep action requires only 'regex', and no other fields",
        ),
        (rule("labelmap", replacement=""), "\"\" is invalid 'replacement' for labelmap action"),
        (
            rule(target_label="a-b", validation_scheme=ValidationScheme.LEGACY),
            "\"a-b\" is invalid 'target_label' for replace action",
        ),
        (
            rule(target_label="a-$1", validation_scheme=ValidationScheme.LEGACY),
            "\"a-$1\" is invalid 'target_label' for replace action",
        ),
        (
            rule("labelmap", replacement="0$1", validation_scheme=ValidationScheme.LEGACY),
            "\"0$1\" is invalid 'replacement' for labelmap action",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_in_prometheus_words(
    config: RelabelConfig, message: str
) -> None:
    assert [text for _, text in problems(config)] == [message]


@pytest.mark.parametrize("target", ["a", "_", "a_$1", "${1}_b", "$1", "a${1}b0"])
def test_a_template_of_a_legacy_name_may_have_variables(target: str) -> None:
    assert not list(problems(rule(target_label=target, validation_scheme=ValidationScheme.LEGACY)))
