"""The configuration as YAML again."""

from __future__ import annotations

import yaml
from tests.unit.scraper.configuration.house import job, read

from pillion.scraper.configuration import render

SECRETS = job(
    """
    basic_auth: {username: u, password: hunter2}
    proxy_url: http://u:hunter2@proxy
    proxy_connect_header: {X-A: [hunter2]}
    http_headers: {X-B: {secrets: [hunter2]}}
    tls_config: {key: hunter2, cert: c}
    http_sd_configs:
    - url: http://u:hunter2@sd
      oauth2: {client_id: c, client_secret: hunter2, token_url: http://u:hunter2@t}
    """
)


def test_nothing_secret_is_written() -> None:
    text = render(read(SECRETS + "\nremote_write: [{url: 'http://u:hunter2@r', bearer_token: hunter2}]"))
    assert "hunter2" not in text
    assert text.count("<secret>") == 6
    assert text.count("u:xxxxx@") == 4


def test_defaults_are_written_out() -> None:
    (found,) = yaml.safe_load(render(read(job("static_configs: [{targets: [a]}]"))))["scrape_configs"]
    assert found == {
        "job_name": "agent",
        "honor_timestamps": True,
        "track_timestamps_staleness": False,
        "scrape_interval": "1m",
        "scrape_timeout": "10s",
        "scrape_protocols": [
            "OpenMetricsText1.0.0",
            "OpenMetricsText0.0.1",
            "PrometheusText1.0.0",
            "PrometheusText0.0.4",
        ],
        "metrics_path": "/metrics",
        "scheme": "http",
        "enable_compression": True,
        "metric_name_validation_scheme": "utf8",
        "metric_name_escaping_scheme": "allow-utf-8",
        "follow_redirects": True,
        "enable_http2": True,
        "static_configs": [{"targets": ["a"]}],
    }


def test_numbers_have_their_units() -> None:
    text = job("scrape_interval: 90s\nbody_size_limit: 1536KB\nfile_sd_configs: [{files: [a.yml]}]")
    (found,) = yaml.safe_load(render(read(text)))["scrape_configs"]
    assert (found["scrape_interval"], found["body_size_limit"]) == ("1m30s", "1MiB512KiB")
    assert found["file_sd_configs"] == [{"files": ["/etc/prometheus/a.yml"], "refresh_interval": "5m"}]
