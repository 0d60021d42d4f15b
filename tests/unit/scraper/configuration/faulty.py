"""Configurations with one thing wrong in each, and what Prometheus says of it."""

# ruff: noqa: E501, ISC004 - one line for each, as far as possible
from __future__ import annotations

from tests.unit.scraper.configuration.house import job


def rules(keys: str) -> str:
    return job(f"metric_relabel_configs:\n- {{{keys}}}\n")


def write(keys: str) -> str:
    return "remote_write:\n- url: http://x/\n" + "".join(f"  {line}\n" for line in keys.splitlines())


TYPE_ERRORS: list[tuple[str, str]] = [
    ("globl: {}\n", "line 1: field globl not found in type config.plain"),
    ("global:\n  scrape_intervall: 1s\n", "line 2: field scrape_intervall not found in type config.plain"),
    ("global: [1]\n", "line 1: cannot unmarshal !!seq into config.plain"),
    ("global: text\n", "line 1: cannot unmarshal !!str `text` into config.plain"),
    ("[]\n", "line 1: cannot unmarshal !!seq into config.plain"),
    ("a long text\n", "line 1: cannot unmarshal !!str `a long ...` into config.plain"),
    ("scrape_configs: {}\n", "line 1: cannot unmarshal !!map into []*config.ScrapeConfig"),
    ("scrape_configs: 1\n", "line 1: cannot unmarshal !!int `1` into []*config.ScrapeConfig"),
    (job("static_config: []"), "line 3: field static_config not found in type config.ScrapeConfig"),
    (job("honor_labels: maybe"), "line 3: cannot unmarshal !!str `maybe` into bool"),
    (job("sample_limit: many"), "line 3: cannot unmarshal !!str `many` into uint"),
    (job("sample_limit: -1"), "line 3: cannot unmarshal !!int `-1` into uint"),
    (job("sample_limit: '5'"), "line 3: cannot unmarshal !!str `5` into uint"),
    (job("scrape_interval: [1s]"), "line 3: cannot unmarshal !!seq into string"),
    (job("params: [a]"), "line 3: cannot unmarshal !!seq into url.Values"),
    (job("params: {a: b}"), "line 3: cannot unmarshal !!str `b` into []string"),
    (job("scheme: http\nscheme: https"), "line 4: field scheme already set in type config.ScrapeConfig"),
    (job("static_configs: [{targets: a:1}]"), "line 3: cannot unmarshal !!str `a:1` into []string"),
    (
        job("static_configs: [{target: [a:1]}]"),
        "line 3: field target not found in type struct { "
        'Targets []string "yaml:\\"targets\\""; Labels model.LabelSet "yaml:\\"labels\\"" }',
    ),
    (
        job("static_configs: [{labels: {a: b, a: c}}]"),
        'line 3: key "a" already set in map',
    ),
    (
        job("static_configs: [{labels: [a]}]"),
        "line 3: cannot unmarshal !!seq into model.LabelSet",
    ),
    (job("static_configs: [a]"), "line 3: cannot unmarshal !!str `a` into struct { "
        'Targets []string "yaml:\\"targets\\""; Labels model.LabelSet "yaml:\\"labels\\"" }'),
    (job("static_configs: a"), "line 3: cannot unmarshal !!str `a` into []*targetgroup.Group"),
    (job("file_sd_configs: [{file: [a.json]}]"), "line 3: field file not found in type file.plain"),
    (job("http_sd_configs: [{uri: a}]"), "line 3: field uri not found in type http.plain"),
    (job("basic_auth: {user: a}"), "line 3: field user not found in type config.plain"),
    (job("authorization: {token: a}"), "line 3: field token not found in type config.Authorization"),
    (job("tls_config: {ca_path: a}"), "line 3: field ca_path not found in type config.plain"),
    (job("tls_config: {insecure_skip_verify: 1}"), "line 3: cannot unmarshal !!int `1` into bool"),
    (job("relabel_configs: {}"), "line 3: cannot unmarshal !!map into []*relabel.Config"),
    (rules("source: [a]"), "line 4: field source not found in type relabel.plain"),
    (rules("source_labels: a"), "line 4: cannot unmarshal !!str `a` into model.LabelNames"),
    (rules("modulus: a"), "line 4: cannot unmarshal !!str `a` into uint64"),
    (write("queue_configs: {}"), "line 3: field queue_configs not found in type config.plain"),
    (write("queue_config: {max_shard: 1}"), "line 3: field max_shard not found in type config.QueueConfig"),
    (write("queue_config: {max_shards: a}"), "line 3: cannot unmarshal !!str `a` into int"),
    (write("metadata_config: {sent: true}"), "line 3: field sent not found in type config.MetadataConfig"),
    (write("headers: [a]"), "line 3: cannot unmarshal !!seq into map[string]string"),
    ("global:\n  external_labels: a\n", "line 2: cannot unmarshal !!str `a` into map[string]string"),
    ("storage: {tsdb: {window: 1}}\n", "line 1: field window not found in type config.plain"),
    ("alerting: {alertmanager: []}\n", "line 1: field alertmanager not found in type config.plain"),
]  # fmt: skip
"""What Prometheus' YAML reader says, all versions alike."""

ERRORS: list[tuple[str, int, str]] = [
    (job("scrape_interval: 15"), 3, 'not a valid duration string: "15"'),
    (job("scrape_interval: ''"), 3, "empty duration string"),
    (job("scrape_interval: 1h1d"), 3, 'not a valid duration string: "1h1d"'),
    (job("scrape_interval: 5s\nscrape_timeout: 6s"), 4, 'scrape timeout greater than scrape interval for scrape config with job name "agent"'),
    ("global: {scrape_timeout: 2m}\n", 1, "global scrape timeout greater than scrape interval"),
    ("global:\n  scrape_interval: 5s\n  scrape_timeout: 10s\n", 3, "global scrape timeout greater than scrape interval"),
    ("scrape_configs:\n- metrics_path: /x\n", 2, "job_name is empty"),
    ("scrape_configs:\n- job_name: a\n- job_name: a\n", 3, 'found multiple scrape configs with job name "a"'),
    ("scrape_configs:\n-\n", 2, "empty or null scrape config section"),
    (job("static_configs:\n-"), 4, "empty or null section in static_configs"),
    (job("static_configs: [{targets: ['http://bad']}]"), 3, '"http://bad" is not a valid hostname'),
    (job("relabel_configs:\n-"), 4, "empty or null target relabeling rule in scrape config"),
    (job("metric_relabel_configs:\n-"), 4, "empty or null metric relabeling rule in scrape config"),
    (rules("action: renam"), 4, 'unknown relabel action "renam"'),
    (rules("action: "), 4, "relabel action cannot be empty"),
    (rules("target_label: a, regex: '('"), 4, "error parsing regexp: missing closing ): `^(?s:()$`"),
    (rules("target_label: a, regex: 'a**'"), 4, "error parsing regexp: invalid nested repetition operator: `**`"),
    (rules("action: hashmod, target_label: a"), 4, "relabel configuration for hashmod requires non-zero modulus"),
    (rules("source_labels: [a]"), 4, "relabel configuration for replace action requires 'target_label' value"),
    (rules("action: labeldrop, source_labels: [a]"), 4, "labeldrop action requires only 'regex', and no other fields"),
    (rules("action: keepequal, target_label: a, regex: b"), 4, "keepequal action requires only 'source_labels' and `target_label`, and no other fields"),
    (rules("action: lowercase, target_label: a, replacement: b"), 4, "'replacement' can not be set for lowercase action"),
    (job("bearer_token: a\nbearer_token_file: b"), 3, "at most one of bearer_token & bearer_token_file must be configured"),
    (job("basic_auth: {username: a}\nbearer_token: b"), 4, "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured"),
    (job("authorization: {type: Basic}"), 3, 'authorization type cannot be set to "basic", use "basic_auth" instead'),
    (job("authorization: {credentials: a, credentials_file: b}"), 3, "at most one of authorization credentials & credentials_file must be configured"),
    (job("authorization: {credentials: a}\nbasic_auth: {username: b}"), 3, "at most one of basic_auth, oauth2 & authorization must be configured"),
    (job("authorization: {credentials: a}\nbearer_token: b"), 3, "authorization is not compatible with bearer_token & bearer_token_file"),
    (job("oauth2: {token_url: http://a}"), 3, "oauth2 client_id must be configured"),
    (job("tls_config: {min_version: TLS9}"), 3, "unknown TLS version: TLS9"),
    (job("body_size_limit: 100"), 3, "units: unknown unit  in 100"),
    (job("body_size_limit: 5XB"), 3, "units: unknown unit XB in 5XB"),
    (job("file_sd_configs: [{}]"), 3, "file service discovery config must contain at least one path name"),
    (job("file_sd_configs: [{files: [a.txt]}]"), 3, 'path name "a.txt" is not valid for file discovery'),
    (job("http_sd_configs: [{refresh_interval: 1m}]"), 3, "URL is missing"),
    (job("http_sd_configs: [{url: ftp://a}]"), 3, "URL scheme must be 'http' or 'https'"),
    (job("http_sd_configs: [{url: 'http://'}]"), 3, "host is missing in URL"),
    (job("proxy_url: ':x'"), 3, 'parse ":x": missing protocol scheme'),
    ("remote_write:\n- name: a\n", 2, "url for remote_write is empty"),
    ("remote_write:\n-\n", 2, "empty or null remote write config section"),
    ("remote_write:\n- {url: http://a, name: q}\n- {url: http://b, name: q}\n", 3, 'found multiple remote write configs with job name "q"'),
    (write("write_relabel_configs:\n-"), 4, "empty or null relabeling rule in remote write config"),
    (write("headers: {Host: a}"), 3, "Host is a reserved header. It must not be changed"),
    ("rule_files: ['a/*/*']\n", 1, 'invalid rule file path "a/*/*"'),
    ("a: *b\n", 1, "yaml: unknown anchor 'b' referenced"),
]  # fmt: skip
"""What Prometheus 2.42 says too: a file, the line that we add, its words."""

NEW_ERRORS: list[tuple[str, int, str]] = [
    (job("oauth2: {client_id: a}"), 3, "oauth2 token_url must be configured"),
    (
        job("tls_config: {cert_file: a}"),
        3,
        "exactly one of key or key_file must be configured when a client certificate is configured",
    ),
    (
        job("tls_config: {key_file: a}"),
        3,
        "exactly one of cert or cert_file must be configured when a client key is configured",
    ),
    (job("scrape_interval: 5x"), 3, 'unknown unit "x" in duration "5x"'),
    (
        job("scrape_protocols: []"),
        3,
        'scrape_protocols cannot be empty for scrape config with job name "agent"',
    ),
    (
        job("scrape_protocols: [openmetrics]"),
        3,
        "scrape_protocols: unknown scrape protocol openmetrics, supported: [OpenMetricsText0.0.1 OpenMetricsText1.0.0 "
        'PrometheusProto PrometheusText0.0.4 PrometheusText1.0.0] for scrape config with job name "agent"',
    ),
    (
        job("scrape_protocols: [PrometheusText0.0.4, PrometheusText0.0.4]"),
        3,
        "duplicated protocol in scrape_protocols, got [PrometheusText0.0.4 PrometheusText0.0.4] for scrape config "
        'with job name "agent"',
    ),
    (
        job("fallback_scrape_protocol: text"),
        3,
        'invalid fallback_scrape_protocol for scrape config with job name "agent": unknown scrape protocol text, '
        "supported: [OpenMetricsText0.0.1 OpenMetricsText1.0.0 PrometheusProto PrometheusText0.0.4 "
        "PrometheusText1.0.0]",
    ),
    (
        job("fallback_scrape_protocol: PrometheusProto"),
        3,
        "PrometheusProto is not read here: name a text format",
    ),
    (
        job("metric_name_validation_scheme: legacy\nmetric_name_escaping_scheme: allow-utf-8"),
        4,
        "utf8 metric names requested but validation scheme is not set to UTF8",
    ),
    (
        job("metric_name_escaping_scheme: none"),
        3,
        "unknown scrape config name escaping method specified, must be one of 'allow-utf-8', 'underscores', 'dots', "
        "or 'values', got \"none\"",
    ),
    (
        job("metric_name_validation_scheme: ascii"),
        3,
        'unrecognized ValidationScheme: "ascii"',
    ),
    (
        "global: {metric_name_validation_scheme: legacy, external_labels: {a-b: c}}\n",
        1,
        '"a-b" is not a valid label name',
    ),
    (
        job("metric_name_validation_scheme: legacy\nrelabel_configs: [{target_label: a-b}]"),
        4,
        "\"a-b\" is invalid 'target_label' for replace action",
    ),
    (job("http_headers: {host: {values: [a]}}"), 3, 'setting header "Host" is not allowed'),
    (job("no_proxy: a"), 3, "if no_proxy is configured, proxy_url must also be configured"),
    (
        job("proxy_url: http://a\nproxy_from_environment: true"),
        3,
        "if proxy_from_environment is configured, proxy_url must not be configured",
    ),
    (
        job("proxy_connect_header: {a: [b]}"),
        3,
        "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
    ),
    (
        write("protobuf_message: v2"),
        3,
        "invalid protobuf_message value: unknown type for remote write protobuf message v2, supported: "
        "prometheus.WriteRequest, io.prometheus.write.v2.Request",
    ),
    (
        write("headers: {authorization: a}"),
        3,
        "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or google_iam "
        "parameter",
    ),
    (
        "scrape_config_files: ['a/*/b.yml']\n",
        1,
        'invalid scrape config file path "a/*/b.yml"',
    ),
    (write("queue_config: {max_shards: 0}"), 3, "max_shards must be 1 or more"),
    (write("queue_config:\n  min_shards: 60"), 4, "max_shards must not be less than min_shards"),
]
"""What Prometheus 3 says, or what only we say."""
