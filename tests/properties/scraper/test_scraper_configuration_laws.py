"""Whatever is written, a configuration is read or refused with sentences, and an expression is RE2's or none."""

from __future__ import annotations

import contextlib
import re
import warnings

import click
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.scraper.configuration.faulty import ERRORS, NEW_ERRORS, TYPE_ERRORS
from tests.unit.scraper.configuration.house import FILE, read

from pillion.cli.scrape import scrape
from pillion.cli.scrapeflags import EFFECTIVE, REFUSED, WITHOUT_EFFECT
from pillion.cli.scrapeoptions import read_flags
from pillion.scraper.configuration import (
    Configuration,
    ConfigurationError,
    format_duration,
    load,
    parse_duration,
    read_target_groups,
    render,
)
from pillion.scraper.configuration.configured import Document
from pillion.scraper.configuration.decoding import known_keys
from pillion.scraper.configuration.httpclient import HttpClient
from pillion.scraper.configuration.scrapeconfig import ScrapeConfig
from pillion.scraper.configuration.writeconfig import RemoteWriteConfig
from pillion.scraper.labels import (
    Action,
    Regexp,
    RegexpError,
    RelabelConfig,
    Relabelling,
    labels_of,
    regexp,
)
from pillion.scraper.labels.regexes import expand
from pillion.scraper.labels.relabel import problems

SECTIONS = (Document, ScrapeConfig, RemoteWriteConfig, HttpClient, RelabelConfig)
KEYS = st.sampled_from(sorted({key for section in SECTIONS for key in known_keys(section)} | {"<<", "x", ""}))
SCALARS = st.sampled_from(
    [
        "a",
        "",
        None,
        True,
        0,
        -1,
        5,
        1.5,
        1e300,
        "15s",
        "1h",
        "http://x",
        ":",
        "(",
        "a.*",
        "$1",
        "drop",
        "10MB",
        "*",
    ]
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
WRITTEN = [text for text, *_ in (*TYPE_ERRORS, *ERRORS, *NEW_ERRORS)]


def judge(text: str) -> None:
    found = read_or_refusal(text)
    if isinstance(found, ConfigurationError):
        assert str(found)
        assert all(line.startswith(FILE) for line in str(found).splitlines())
        assert found.in_prometheus_words().startswith(f"parsing YAML file {FILE}: ")
    else:
        written = render(found)
        assert render(load(written, FILE, {})) == written


def read_or_refusal(text: str) -> Configuration | ConfigurationError:
    try:
        return load(text, FILE, {})
    except ConfigurationError as error:
        return error


@given(tree=TREES)
@settings(max_examples=120, deadline=None)
def test_any_tree_is_read_or_refused(tree: object) -> None:
    judge(yaml.safe_dump(tree))


@given(keys=st.dictionaries(KEYS, TREES, max_size=6))
@settings(max_examples=120, deadline=None)
def test_any_job_and_destination_is_read_or_refused(keys: dict[str, object]) -> None:
    judge(
        yaml.safe_dump(
            {"scrape_configs": [{"job_name": "a"} | keys], "remote_write": [{"url": "http://a"} | keys]}
        )
    )


@given(text=st.text(max_size=200))
@example(text="\ufeffglobal: {}")
@example(text="? [a]\n: b")
@example(text="--- a\n--- b")
@example(text="%YAML 2.0\n---\n")
@example(text="!!python/object:os.system a")
@settings(max_examples=120, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    judge(text)


@given(text=st.sampled_from(WRITTEN), data=st.data())
@settings(max_examples=120, deadline=None)
def test_a_configuration_with_a_slip_of_the_pen_is_read_or_refused(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 5)))
    inserted = data.draw(st.text(alphabet="[]{}:,-&*!<>'\"\n\t aé0#|%@`$", max_size=4))
    judge(text[:start] + inserted + text[end:])


@given(body=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "ignore")))
@settings(max_examples=100, deadline=None)
def test_any_file_of_targets_is_read_or_refused(body: bytes) -> None:
    for name in ("a.yml", "a.json"):
        with contextlib.suppress(ConfigurationError):
            read_target_groups(body, name)


@given(text=st.text(alphabet="abAB012^$.|?*+()[]{}\\-:,PQEdwszn<>=!iU x", max_size=14))
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_expression_or_none(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(RegexpError):
            Regexp(text)


@given(text=st.text(alphabet="ab.|?*+()[]-0", max_size=10), subject=st.text(alphabet="ab0.", max_size=8))
@settings(max_examples=300, deadline=None)
def test_where_the_spelling_is_the_same_the_answers_are_those_of_python(text: str, subject: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what classes may mean in Python one day
        try:
            ours, theirs = Regexp(text), re.compile(text, re.DOTALL)
        except (RegexpError, re.error):
            return
    mine, other = ours.fullmatch(subject), theirs.fullmatch(subject)
    assert (mine is None) == (other is None)
    if mine is not None and other is not None:
        assert mine.groups() == other.groups()


@given(template=st.text(alphabet="$ab{}1$0_é-", max_size=12))
@settings(max_examples=300, deadline=None)
def test_a_template_without_a_dollar_is_itself(template: str) -> None:
    expression = regexp("(a)(?P<b>b)")
    match = expression.fullmatch("ab")
    assert match is not None
    expanded = expand(expression.template(template), match)
    if "$" not in template:
        assert expanded == template


LABELS = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["", "x", "y", "xy", "X", "ä"]))
RULES = st.builds(
    RelabelConfig,
    action=st.sampled_from(Action),
    source_labels=st.lists(st.sampled_from("abz"), max_size=2).map(tuple),
    separator=st.sampled_from([";", ""]),
    regex=st.sampled_from(["(.*)", "", "x|(y)", "a|b", ".+"]).map(regexp),
    modulus=st.sampled_from([0, 7]),
    target_label=st.sampled_from(["", "a", "t", "$1", "t_$1"]),
    replacement=st.sampled_from(["$1", "", "r", "$0$0"]),
)


@given(labels=LABELS, rules=st.lists(RULES, max_size=4))
@settings(max_examples=300, deadline=None)
def test_relabelling_gives_labels_that_are_labels(labels: dict[str, str], rules: list[RelabelConfig]) -> None:
    rules = [rule for rule in rules if not list(problems(rule))]
    found = Relabelling(rules).relabelled(labels)
    if found is not None:
        assert all(found.values())
        assert all(found)
        assert dict(labels_of(found)) == found
    one_by_one: dict[str, str] | None = labels
    for rule in rules:
        one_by_one = None if one_by_one is None else Relabelling([rule]).relabelled(one_by_one)
    assert found == (one_by_one if rules else Relabelling([]).relabelled(labels))


@given(milliseconds=st.integers(0, 9_223_372_036_854))
def test_a_duration_is_read_as_it_is_written(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds)) == milliseconds


@given(text=st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_an_external_label_is_expanded_whatever_it_is(text: str) -> None:
    try:
        configuration = read(yaml.safe_dump({"global": {"external_labels": {"a": text}}}))
    except ConfigurationError:
        return
    if "$" not in text:
        assert configuration.global_config.external_labels == {"a": text}


NAMES = st.sampled_from([flag.name for flag in (*EFFECTIVE, *WITHOUT_EFFECT, *REFUSED)])
VALUES = st.sampled_from(["", "=", "=1", "=5s", "=x", "=http://a/b", " y", "=10MB", "=agent,x"])


@given(arguments=st.lists(st.tuples(NAMES, VALUES), max_size=4))
@settings(max_examples=120, deadline=None)
def test_any_command_line_is_taken_or_refused(arguments: list[tuple[str, str]]) -> None:
    words = [word for name, value in arguments for word in f"--{name}{value}".split(" ")]
    with contextlib.suppress(click.UsageError):
        values = scrape.make_context("scrape", words).params
        read_flags({key: value for key, value in values.items() if key not in ("check_config", "output")})
