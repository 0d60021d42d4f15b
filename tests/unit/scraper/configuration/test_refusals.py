"""What is wrong with a configuration: in Prometheus' words, with the line, and what to do."""

from __future__ import annotations

import pytest
from tests.unit.scraper.configuration.faulty import ERRORS, NEW_ERRORS, TYPE_ERRORS
from tests.unit.scraper.configuration.house import FILE, faults, job, refusal


@pytest.mark.parametrize(("text", "message"), TYPE_ERRORS)
def test_what_does_not_fit_is_refused_as_prometheus_reader_refuses_it(text: str, message: str) -> None:
    refused = refusal(text)
    assert refused.in_prometheus_words() == f"parsing YAML file {FILE}: yaml: unmarshal errors:\n  {message}"
    line, _, words = message.removeprefix("line ").partition(": ")
    assert str(refused).split(";")[0] == f"{FILE}:{line}: {words}".split(";")[0]


@pytest.mark.parametrize(("text", "line", "message"), [*ERRORS, *NEW_ERRORS])
def test_what_makes_no_sense_is_refused_in_prometheus_words_with_its_line(
    text: str, line: int, message: str
) -> None:
    refused = refusal(text)
    assert [fault.text for fault in refused.faults] == [message]
    assert refused.faults[0].place.line == line
    assert refused.in_prometheus_words() == f"parsing YAML file {FILE}: {message}"


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_lines() -> None:
    text = """
    global:
      scrape_intervall: 15s
    scrape_configs:
    - job_name: a
      scrape_interval: 15
      relabel_configs:
      - {action: hashmod, target_label: x}
      kubernetes_sd_configs: [{role: pod}]
    - job_name: a
    remote_write:
    - {}
    """
    assert faults(text) == [
        "3: field scrape_intervall not found in type config.plain; did you mean scrape_interval?",
        '6: scrape_interval: not a valid duration string: "15"; write the unit: 15s',
        "8: relabel configuration for hashmod requires non-zero modulus",
        "9: kubernetes_sd_configs: not supported here: use static_configs, file_sd_configs or http_sd_configs",
        '10: found multiple scrape configs with job name "a"',
        "12: url for remote_write is empty",
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (job("static_config: []"), "did you mean static_configs?"),
        (job("honour_labels: true"), "did you mean honor_labels?"),
        (job("metrics_relabel_configs: []"), "did you mean metric_relabel_configs?"),
        (job("relabel_configs: [{source_label: [a], target_label: b}]"), "did you mean source_labels?"),
        (job("relabel_configs: [{action: relace, target_label: b}]"), "did you mean replace?"),
        (job("body_size_limit: 100"), "write the unit: 100B"),
    ],
)
def test_advice_follows_when_there_is_some(text: str, advice: str) -> None:
    assert faults(text)[0].endswith(f"; {advice}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            job("ec2_sd_configs: []"),
            "3: ec2_sd_configs: not supported here: use static_configs, file_sd_configs or http_sd_configs",
        ),
        (
            job("basic_auth: {password_ref: a}"),
            "3: password_ref: there is no secret manager to ask: name a file",
        ),
        (
            job("oauth2: {client_id: a, token_url: http://a, grant_type: b}"),
            "3: grant_type: the JWT grant is not supported: use client_id with client_secret",
        ),
        (
            "remote_write:\n- url: http://a\n  sigv4: {}\n",
            "3: sigv4: not supported here: use basic_auth, authorization or oauth2",
        ),
        (
            job("scrape_protocols: [PrometheusProto]"),
            "3: only PrometheusProto, which is not read here: add a text format",
        ),
    ],
)
def test_what_prometheus_can_and_we_cannot_is_refused_by_name(text: str, fault: str) -> None:
    assert faults(text) == [fault]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [\n", "2: yaml: line 2: did not find expected node content"),
        ("a: b: c\n", "1: yaml: line 1: mapping values are not allowed in this context"),
        ("a:\n\t- b\n", "2: yaml: line 2: found character that cannot start any token"),
        ("a: \x01\n", "1: yaml: control characters are not allowed"),
        ("a: &x [*x]\n", "1: yaml: anchor 'x' value contains itself"),
        ("a: !!binary '***'\n", "1: yaml: !!binary value contains invalid base64 data"),
        ("[" * 200 + "]" * 200, "1: yaml: line 1: nested more than 100 levels deep"),
        ("global: {<<: 1}\n", "1: yaml: map merge requires map or sequence of maps as the value"),
        ("global: \ud800\n", "1: yaml: invalid Unicode character"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_a_small_text_cannot_stand_for_a_huge_one() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    assert faults("\n".join(lines)) == ["6: yaml: document contains excessive aliasing"]


@pytest.mark.parametrize(
    "key", ["alerting: {alertmanagers: [{}]}", "rule_files: [a.yml]", "remote_read: [{url: a}]"]
)
def test_agent_mode_refuses_what_prometheus_refuses_as_an_agent(key: str) -> None:
    name = key.partition(":")[0]
    assert faults(f"{key}\n", agent_mode=True) == [f"1: field {name} is not allowed in agent mode"]


def test_no_fault_quotes_a_secret() -> None:
    text = job("basic_auth: {username: u, password: hunter2, passwordd: hunter2}\nbearer_token: hunter2")
    assert "hunter2" not in str(refusal(text)) + refusal(text).in_prometheus_words()
