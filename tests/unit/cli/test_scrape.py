"""The command line of `pillion scrape`: Prometheus' flags, and promtool's check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pillion.cli import main
from pillion.cli.scrape import scrape
from pillion.cli.scrapeflags import EFFECTIVE, REFUSED, TSDB_PATH, WITHOUT_EFFECT
from pillion.cli.scrapeoptions import read_flags
from pillion.scraper.configuration import Flags

GOOD = "scrape_configs: [{job_name: agent, static_configs: [{targets: ['localhost:8000']}]}]\n"
BAD = "global:\n  scrape_intervall: 15s\n"


def flags(line: str) -> tuple[Flags, list[str]]:
    values = scrape.make_context("scrape", line.split()).params
    return read_flags({key: value for key, value in values.items() if key not in ("check_config", "output")})


def config(folder: Path, text: str) -> str:
    file = folder / "prometheus.yml"
    file.write_text(text)
    return str(file)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["scrape", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_flags_have_prometheus_defaults() -> None:
    found, warnings = flags("")
    assert warnings == []
    assert (found.config_file, found.listen_addresses) == ("prometheus.yml", ("0.0.0.0:9090",))
    assert (found.storage_path, found.route_prefix, found.enable_lifecycle) == ("data/", "/", False)
    assert dict(found.written)["storage.remote.flush-deadline"] == "25s"
    assert dict(found.written)["web.enable-lifecycle"] == "false"


@pytest.mark.parametrize(
    "line", ["--config.file=/a.yml --query.timeout=5s", "--config.file /a.yml --query.timeout 5s"]
)
def test_a_value_follows_a_blank_or_an_equals_sign(line: str) -> None:
    found, _ = flags(line)
    assert (found.config_file, found.query_timeout) == ("/a.yml", 5000)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("--web.listen-address=:1 --web.listen-address=[::]:2", "listen_addresses", (":1", "[::]:2")),
        ("--web.enable-lifecycle", "enable_lifecycle", True),
        ("--web.enable-lifecycle --no-web.enable-lifecycle", "enable_lifecycle", False),
        ("--web.external-url=http://x/prom/", "route_prefix", "/prom"),
        ("--web.external-url=http://x/prom --web.route-prefix=/", "route_prefix", "/"),
        ("--web.route-prefix=a/b/", "route_prefix", "/a/b"),
        ("--storage.tsdb.path=/prometheus", "storage_path", "/prometheus"),
        ("--storage.agent.path=/wal --storage.tsdb.path=/x", "storage_path", "/wal"),
        ("--agent", "storage_path", "data-agent/"),
        ("--enable-feature=agent,extra-scrape-metrics", "features", {"agent", "extra-scrape-metrics"}),
        ("--enable-feature=agent", "agent_mode", True),
        ("--storage.agent.retention.max-time=4h", "wal_max_age", 14_400_000),
        ("--storage.agent.max-size=1GB", "wal_max_size", 1 << 30),
        ("--window.retention=10m --log.level=debug", "window_retention", 600_000),
        ("--log.format=json", "log_format", "json"),
        ("--no-scrape.adjust-timestamps", "adjust_timestamps", False),
    ],
)  # fmt: skip
def test_a_flag_does_what_it_does_in_prometheus(line: str, field: str, value: object) -> None:
    assert getattr(flags(line)[0], field) == value


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        (
            "--storage.tsdb.retention.time=15d",
            "--storage.tsdb.retention.time has no effect here: --window.retention says how long samples are kept",
        ),
        ("--web.console.libraries=/x", "--web.console.libraries has no effect here: there are no consoles"),
        (
            "--no-storage.agent.wal-compression",
            "--storage.agent.wal-compression has no effect here: the log has its own format",
        ),
        ("--enable-feature=native-histograms", "--enable-feature=native-histograms has no effect here"),
        ("--enable-feature=x", "Unknown option for --enable-feature: x"),
    ],
)
def test_a_flag_that_does_nothing_here_is_taken_with_a_warning(line: str, warning: str) -> None:
    assert flags(line)[1] == [warning]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("--web.enable-remote-write-receiver", "it writes to receivers and is none"),
        ("--web.config.file=/x", "put a proxy sidecar in front"),
        ("--web.external-url=host", "write a whole URL"),
        ("--query.timeout=5", 'not a valid duration string: "5"'),
        ("--config.fil=x", "config.file"),
        ("--log.level=trace", "'trace' is not one of"),
        ("--web.max-connections=0", "x>=1"),
    ],
)
def test_a_flag_that_cannot_be_is_refused(line: str, error: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        flags(line)
    assert error in refused.value.format_message()


def test_every_flag_has_one_place() -> None:
    names = [flag.name for flag in (*EFFECTIVE, TSDB_PATH, *WITHOUT_EFFECT, *REFUSED)]
    assert len(names) == len(set(names))
    fields = {flag.field for flag in EFFECTIVE}
    assert fields == set(Flags.__struct_fields__) - {"written"}
    assert all(flag.help for flag in (*EFFECTIVE, TSDB_PATH))


def test_a_good_configuration_is_checked_as_promtool_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path, GOOD)
    expected = f"Checking {file}\n SUCCESS: {file} is valid prometheus config file syntax\n\n"
    assert run(capsys, f"--config.file={file}", "--check-config") == (0, expected, "")


def test_a_bad_configuration_is_refused_as_promtool_does_and_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path, BAD)
    status, out, err = run(capsys, f"--config.file={file}", "--check-config")
    assert (status, out) == (1, f"Checking {file}\n")
    field = "field scrape_intervall not found in type config.plain"
    assert err == (
        f"  FAILED: parsing YAML file {file}: yaml: unmarshal errors:\n  line 2: {field}\n\n"
        f"{file}:2: {field}; did you mean scrape_interval?\n"
    )


@pytest.mark.parametrize(("text", "usable"), [(GOOD, True), (BAD, False)])
def test_the_check_speaks_json(
    text: str, usable: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path, text)
    status, out, err = run(capsys, f"--config.file={file}", "--check-config", "-o", "json")
    report = json.loads(out)
    assert (status, err) == (0 if usable else 1, "")
    assert (report["file"], report["usable"], bool(report["errors"])) == (file, usable, not usable)


def test_files_that_are_named_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = "authorization: {credentials_file: token}, file_sd_configs: [{files: [a.json, b*.json]}]"
    file = config(tmp_path, f"scrape_configs: [{{job_name: agent, {keys}}}]\n")
    status, out, err = run(capsys, f"--config.file={file}", "--check-config")
    assert (status, out) == (1, f"Checking {file}\n")
    assert f'credentials or bearer token file "{tmp_path}/token": no such file or directory' in err
    assert f'  WARNING: file "{tmp_path}/a.json" for file_sd in scrape job "agent" does not exist\n' in err
    assert "b*.json" not in err


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, "cannot read {file}: No such file or directory"), (b"\xff", "{file}: it is not UTF-8 (byte 0)")],
)
def test_a_file_that_cannot_be_read_is_said(
    content: bytes | None, error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prometheus.yml"
    if content is not None:
        file.write_bytes(content)
    status, _, err = run(capsys, f"--config.file={file}")
    assert (status, err) == (2, f"pillion: {error.format(file=file)}\n")


def test_a_bad_configuration_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = config(tmp_path, BAD)
    status, out, err = run(capsys, f"--config.file={file}")
    assert (status, out) == (2, "")
    assert err.startswith(f"pillion: {file}:2: field scrape_intervall not found")


def test_the_environment_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = config(tmp_path, "global: {external_labels: {a: $SCRAPE_TEST}}\n")
    monkeypatch.delenv("SCRAPE_TEST", raising=False)
    assert (
        "Empty environment variable SCRAPE_TEST" in run(capsys, f"--config.file={file}", "--check-config")[2]
    )
    monkeypatch.setenv("SCRAPE_TEST", "x")
    assert run(capsys, f"--config.file={file}", "--check-config")[2] == ""


def test_checking_a_configuration_needs_nothing_of_the_half_that_runs_pods(tmp_path: Path) -> None:
    code = (
        "import sys; from pillion.cli import main\n"
        "try: main(['scrape', '--config.file', sys.argv[1], '--check-config'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "half = ('objects', 'manifest', 'plan', 'node', 'containers', 'daemon', 'apiserver', 'collector')\n"
        "loaded = {name.split('.')[1] for name in sys.modules if name.startswith('pillion.')}\n"
        "assert not loaded & set(half), loaded\n"
        "assert 'lightkube' not in sys.modules\n"
    )
    arguments = [sys.executable, "-c", code, config(tmp_path, GOOD)]
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, env=dict(os.environ), timeout=60
    )
    assert done.returncode == 0, done.stderr
