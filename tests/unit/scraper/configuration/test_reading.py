"""Configurations that are right: what they amount to."""

from __future__ import annotations

import pytest
from tests.unit.scraper.configuration.house import FILE, faults, job, read, scrape

from pillion.scraper.configuration import (
    Authorization,
    GlobalConfig,
    HttpClient,
    MetadataConfig,
    QueueConfig,
    ScrapeConfig,
    Secret,
    TargetGroup,
    TlsConfig,
)
from pillion.scraper.exposition import Format
from pillion.scraper.labels import Action, ValidationScheme, regexp

DEFAULT_FORMATS = (Format.OPENMETRICS_1, Format.OPENMETRICS_0, Format.TEXT_1, Format.TEXT_0)


@pytest.mark.parametrize(
    "text", ["", "\n# nothing\n", "---\n", "~\n", "global:\n", "global: {}\nscrape_configs: []\n"]
)
def test_a_configuration_that_says_nothing_has_the_defaults(text: str) -> None:
    configuration = read(text)
    assert configuration.scrape_configs == configuration.remote_write == ()
    assert configuration.global_config == GlobalConfig(
        scrape_interval=60_000, scrape_timeout=10_000, evaluation_interval=60_000
    )


def test_a_job_has_prometheus_defaults() -> None:
    found = scrape("static_configs: [{targets: [localhost:8000]}]")
    assert (found.metrics_path, found.scheme) == ("/metrics", "http")
    assert (found.scrape_interval, found.scrape_timeout) == (60_000, 10_000)
    assert (found.honor_labels, found.honor_timestamps, found.enable_compression) == (False, True, True)
    assert (found.formats, found.fallback) == (DEFAULT_FORMATS, None)
    assert (found.metric_name_escaping_scheme, found.validation_scheme) == (
        "allow-utf-8",
        ValidationScheme.UTF8,
    )
    assert found.http_client == HttpClient(follow_redirects=True, enable_http2=True)
    assert found.static_configs == (TargetGroup(targets=("localhost:8000",), source="0"),)
    assert str(found.place) == f"{FILE}:2"


def test_a_job_inherits_what_global_says_and_it_does_not() -> None:
    text = """
    global:
      scrape_interval: 15s
      scrape_timeout: 5s
      sample_limit: 100
      label_limit: 30
      body_size_limit: 1MB
      scrape_protocols: [PrometheusText0.0.4]
      extra_scrape_metrics: true
      keep_dropped_targets: 2
    scrape_configs:
    - job_name: a
    - job_name: b
      scrape_interval: 3s
      sample_limit: 7
      scrape_protocols: [OpenMetricsText1.0.0, PrometheusText1.0.0]
      extra_scrape_metrics: false
      fallback_scrape_protocol: PrometheusText0.0.4
    """
    a, b = read(text).scrape_configs
    assert (a.scrape_interval, a.scrape_timeout, a.sample_limit, a.label_limit) == (15_000, 5000, 100, 30)
    assert (a.body_size_limit, a.formats, a.extra_scrape_metrics) == (1 << 20, (Format.TEXT_0,), True)
    assert a.keep_dropped_targets == 2
    assert (b.scrape_interval, b.scrape_timeout, b.sample_limit, b.label_limit) == (3000, 3000, 7, 30)
    assert (b.formats, b.extra_scrape_metrics) == ((Format.OPENMETRICS_1, Format.TEXT_1), False)
    assert b.fallback is Format.TEXT_0


def test_rules_are_read_with_their_defaults_and_the_jobs_idea_of_names() -> None:
    found = scrape(
        """
        metric_name_validation_scheme: legacy
        relabel_configs:
        - {source_labels: [__address__, __scheme__], target_label: x}
        metric_relabel_configs:
        - {action: DROP, source_labels: [__name__], regex: go_.*}
        - {action: hashmod, source_labels: [a], target_label: b, modulus: 8, separator: ""}
        - {target_label: c, regex: ""}
        """
    )
    (first,) = found.relabel_configs
    assert (first.source_labels, first.separator, first.replacement) == (
        ("__address__", "__scheme__"),
        ";",
        "$1",
    )
    assert (first.regex, first.action, first.modulus) == (regexp("(.*)"), Action.REPLACE, 0)
    assert first.validation_scheme is ValidationScheme.LEGACY
    drop, hashmod, empty = found.metric_relabel_configs
    assert (drop.action, drop.regex.text) == (Action.DROP, "go_.*")
    assert (hashmod.modulus, hashmod.separator) == (8, "")
    assert empty.regex.text == ""
    assert found.metric_name_escaping_scheme == "underscores"


@pytest.mark.parametrize(
    ("common", "own", "escaping"),
    [
        ("", "", "allow-utf-8"),
        ("metric_name_validation_scheme: legacy", "", "underscores"),
        ("metric_name_escaping_scheme: dots", "", "dots"),
        ("metric_name_escaping_scheme: dots", "metric_name_validation_scheme: legacy", "underscores"),
        ("metric_name_validation_scheme: legacy", "metric_name_validation_scheme: utf8", "allow-utf-8"),
        ("", "metric_name_escaping_scheme: values", "values"),
    ],
)
def test_names_are_escaped_as_the_section_that_says_something_wants_it(
    common: str, own: str, escaping: str
) -> None:
    found = read(f"global: {{{common}}}\n{job(own)}").scrape_configs[0]
    assert found.metric_name_escaping_scheme == escaping


def test_where_targets_come_from() -> None:
    found = scrape(
        """
        static_configs:
        - targets: [a:1, b]
          labels: {env: prod, number: 1, yes: on}
        - labels: {x: y}
        file_sd_configs:
        - files: [targets/*.json, /srv/a.yml]
        http_sd_configs:
        - url: http://localhost/sd
          refresh_interval: 5s
          basic_auth: {username: u}
        """
    )
    first, second = found.static_configs
    assert first == TargetGroup(
        targets=("a:1", "b"), labels={"env": "prod", "number": "1", "yes": "on"}, source="0"
    )
    assert second == TargetGroup(labels={"x": "y"}, source="1")
    (files,) = found.file_sd_configs
    assert files.files == ("/etc/prometheus/targets/*.json", "/srv/a.yml")
    assert files.refresh_interval == 300_000
    (http,) = found.http_sd_configs
    assert (http.url, http.refresh_interval) == ("http://localhost/sd", 5000)
    assert http.http_client.basic_auth is not None


def test_how_to_speak_http() -> None:
    client = scrape(
        """
        authorization: {type: " Token ", credentials_file: secret/token}
        tls_config: {ca_file: ca.pem, server_name: agent, min_version: TLS12, insecure_skip_verify: true}
        follow_redirects: false
        enable_http2: false
        proxy_url: http://proxy:3128
        no_proxy: 127.0.0.1,.local
        proxy_connect_header: {X-A: [b, c]}
        http_headers:
          X-Tenant: {values: [a, b], secrets: [hidden], files: [headers/x]}
        """
    ).http_client
    assert client.authorization == Authorization(
        type="Token", credentials_file="/etc/prometheus/secret/token"
    )
    assert client.tls_config == TlsConfig(
        ca_file="/etc/prometheus/ca.pem", server_name="agent", min_version="TLS12", insecure_skip_verify=True
    )
    assert (client.follow_redirects, client.enable_http2) == (False, False)
    assert (client.proxy_url, client.no_proxy) == ("http://proxy:3128", "127.0.0.1,.local")
    assert client.proxy_connect_header == {"X-A": (Secret("b"), Secret("c"))}
    header = client.http_headers["X-Tenant"]
    assert (header.values, header.secrets) == (("a", "b"), (Secret("hidden"),))
    assert header.files == ("/etc/prometheus/headers/x",)


@pytest.mark.parametrize(
    ("keys", "authorization"),
    [
        ("bearer_token: abc", Authorization(credentials=Secret("abc"))),
        ("bearer_token_file: t", Authorization(credentials_file="/etc/prometheus/t")),
    ],
)
def test_a_bearer_token_is_an_authorization(keys: str, authorization: Authorization) -> None:
    client = scrape(keys).http_client
    assert client.authorization == authorization
    assert (client.bearer_token, client.bearer_token_file) == (Secret(), "")


def test_a_destination_has_prometheus_defaults() -> None:
    (found,) = read("remote_write: [{url: 'http://a/api/v1/write'}]").remote_write
    assert found.queue_config == QueueConfig(
        capacity=10_000,
        max_shards=50,
        min_shards=1,
        max_samples_per_send=2000,
        batch_send_deadline=5000,
        min_backoff=30,
        max_backoff=5000,
        retry_on_http_429=False,
        sample_age_limit=0,
    )
    assert found.metadata_config == MetadataConfig(send=True, send_interval=60_000, max_samples_per_send=2000)
    assert (found.remote_timeout, found.send_exemplars) == (30_000, False)
    assert found.protobuf_message == "prometheus.WriteRequest"
    assert (found.http_client.follow_redirects, found.http_client.enable_http2) == (True, False)


def test_destinations_say_what_they_want() -> None:
    text = """
    remote_write:
    - url: https://user@a/write
      name: first
      remote_timeout: 5s
      headers: {X-Scope-OrgID: team}
      protobuf_message: io.prometheus.write.v2.Request
      send_exemplars: true
      write_relabel_configs: [{action: keep, source_labels: [__name__], regex: up}]
      queue_config: {max_shards: 2, retry_on_http_429: true, sample_age_limit: 1h}
      metadata_config: {send: false}
      oauth2: {client_id: c, client_secret_file: s, token_url: http://t/token, scopes: [a, b]}
    - url: http://b
    """
    first, second = read(text).remote_write
    assert (first.name, first.remote_timeout, first.headers) == ("first", 5000, {"X-Scope-OrgID": "team"})
    assert (first.protobuf_message, first.send_exemplars) == ("io.prometheus.write.v2.Request", True)
    assert first.write_relabel_configs[0].action is Action.KEEP
    assert first.queue_config == QueueConfig(max_shards=2, retry_on_http_429=True, sample_age_limit=3_600_000)
    assert not first.metadata_config.send
    assert first.http_client.oauth2 is not None
    assert first.http_client.oauth2.client_secret_file == "/etc/prometheus/s"
    assert second.queue_config == QueueConfig()


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("foo", "foo"),
        ("foo${TEST}bar", "fooTestValuebar"),
        ("$TEST", "TestValue"),
        ("$TESTS", ""),
        ("foo$$bar", "foo$bar"),
        ("foo$${TEST}", "foo${TEST}"),
        ("${}", ""),
        ("${a-b}", ""),
        ("$-x", "x"),
        ("a$", "a$"),
        ("$ a", "$ a"),
        ("$1x", "x"),
        ("$BYTES", "a\ufffd"),
    ],
)
def test_external_labels_know_the_environment(value: str, expanded: str) -> None:
    text = f"global: {{external_labels: {{a: '{value}'}}}}"
    assert read(text, {"TEST": "TestValue", "BYTES": "a\udcff"}).global_config.external_labels == {
        "a": expanded
    }


def test_external_labels_are_sorted_and_may_have_any_name() -> None:
    text = "global: {external_labels: {b.c: 1, a: 2}}"
    assert list(read(text).global_config.external_labels.items()) == [("a", "2"), ("b.c", "1")]


def test_an_empty_variable_is_worth_a_warning() -> None:
    configuration = read("global:\n  external_labels: {a: '$NONE', b: '$NONE'}\n", {"NONE": ""})
    assert configuration.warnings == (f"{FILE}:2: external_labels: Empty environment variable NONE",)


def test_jobs_of_further_files_are_read_too() -> None:
    text = "global: {scrape_interval: 5s}\nscrape_config_files: [jobs/*.yml]\n" + job("")
    files = {
        "/etc/prometheus/jobs/a.yml": "scrape_configs: [{job_name: a, file_sd_configs: [{files: [x.json]}]}]",
        "/etc/prometheus/jobs/b.yml": "scrape_configs: [{job_name: b}]",
        "/etc/prometheus/jobs/empty.yml": "",
    }
    found = read(text, files=files).scrape_configs
    assert [one.job_name for one in found] == ["agent", "a", "b"]
    assert {one.scrape_interval for one in found} == {5000}
    assert found[1].file_sd_configs[0].files == ("/etc/prometheus/jobs/x.json",)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            "scrape_configs: [{job_name: agent}]",
            'found multiple scrape configs with job name "agent", first found in main config file',
        ),
        ("scrape_configs: [{job_nam: a}]", "field job_nam not found in type config.ScrapeConfig"),
        ("jobs: []", "field jobs not found in type config.ScrapeConfigs"),
        ("[", "yaml: line 2: did not find expected node content"),
    ],
)
def test_what_is_wrong_in_a_further_file_is_said_with_its_name(content: str, fault: str) -> None:
    found = faults("scrape_config_files: [a.yml]\n" + job(""), {"/etc/prometheus/a.yml": content})
    assert found[0].startswith("/etc/prometheus/a.yml:")
    assert fault in found[0]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("rule_files: [a.yml]", "rule_files: has no effect: there are no rules here"),
        ("alerting: {alertmanagers: [{}]}", "alerting: has no effect: there are no alerts here"),
        (
            "remote_read: [{url: http://a}]",
            "remote_read: has no effect: only what was scraped here can be asked for",
        ),
        ("tracing: {endpoint: a}", "tracing: has no effect: nothing is traced"),
        ("otlp: {promote_scope_metadata: true}", "otlp: has no effect: there is no OTLP receiver"),
        (
            "storage: {tsdb: {out_of_order_time_window: 1h}}",
            "storage: has no effect: samples are kept in memory for a while, see --window.retention",
        ),
        ("global: {query_log_file: a}", "query_log_file: has no effect: queries are not logged"),
    ],
)
def test_what_does_nothing_here_is_worth_a_warning(text: str, warning: str) -> None:
    assert read(text).warnings == (f"{FILE}:1: {warning}",)


@pytest.mark.parametrize(
    "text",
    [
        "rule_files: []",
        "rule_files:",
        "alerting: {}",
        "runtime: {gogc: 75}",
        "global: {evaluation_interval: 15s, rule_query_offset: 1s, scrape_native_histograms: false}",
    ],
)
def test_what_everybody_writes_is_not_worth_a_warning(text: str) -> None:
    assert read(text).warnings == ()


def test_protobuf_is_left_out_of_what_targets_are_asked_for() -> None:
    configuration = read(job("scrape_protocols: [PrometheusProto, PrometheusText0.0.4]"))
    assert configuration.scrape_configs[0].formats == (Format.TEXT_0,)
    text = "PrometheusProto is not read here: it is left out of what targets are asked for"
    assert configuration.warnings == (f"{FILE}:3: {text}",)


def test_anchors_and_merges_are_followed() -> None:
    text = """
    scrape_configs:
    - &first
      job_name: a
      scrape_interval: 5s
      static_configs: &targets [{targets: [x]}]
    - <<: *first
      job_name: b
      scrape_timeout: 1s
    - job_name: c
      static_configs: *targets
    """
    a, b, c = read(text).scrape_configs
    assert (b.job_name, b.scrape_interval, b.scrape_timeout, b.static_configs) == (
        "b",
        5000,
        1000,
        a.static_configs,
    )
    assert c.static_configs == a.static_configs


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ("metrics_path:", "metrics_path", ""),
        ("honor_timestamps:", "honor_timestamps", False),
        ("honor_labels: yes", "honor_labels", True),
        ("sample_limit: 0x10", "sample_limit", 16),
        ("sample_limit: 1e3", "sample_limit", 1000),
        ("scheme: !!str 5", "scheme", "5"),
        ("scheme: 010", "scheme", "010"),
        ("params: {a: [1, b], c: []}", "params", {"a": ("1", "b"), "c": ()}),
    ],
)
def test_values_are_read_as_goyaml_reads_them(keys: str, field: str, value: object) -> None:
    assert getattr(scrape(keys), field) == value


def test_a_section_is_the_same_wherever_it_stands() -> None:
    first = read(job("scheme: https")).scrape_configs
    moved = read("# a line more\n\n" + job("scheme: https")).scrape_configs
    assert first == moved
    assert str(first[0].place) != str(moved[0].place)
    assert first != read(job("scheme: http")).scrape_configs


def test_a_secret_is_never_shown() -> None:
    text = job("basic_auth: {username: u, password: hunter2}")
    configuration = read(text)
    auth = configuration.scrape_configs[0].http_client.basic_auth
    assert auth is not None
    assert auth.password.reveal() == "hunter2"
    assert "hunter2" not in f"{configuration!r}{auth.password}{auth.password!r}"


def test_scrape_config_is_compared_with_what_it_inherits() -> None:
    text = job("scheme: http")
    faster = "global: {scrape_interval: 1s}\n" + text
    same: tuple[ScrapeConfig, ...] = read(text).scrape_configs
    assert same != read(faster).scrape_configs
