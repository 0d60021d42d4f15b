"""`pillion scrape --check-config`: what `promtool check config` says, and where (cmd/promtool/main.go, CheckConfig)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from pillion.errors import PillionError

if TYPE_CHECKING:
    from pillion.scraper.configuration import Configuration, Flags, HttpClient

EXIT_FAULTY = 1
"""The configuration cannot be used."""


class _Report(msgspec.Struct, kw_only=True):
    """What `-o json` prints."""

    file: str
    usable: bool
    errors: list[str] = []
    warnings: list[str] = []


def check(
    flags: Flags,
    load: Callable[[], Configuration],
    flag_warnings: Iterable[str],
    *,
    as_json: bool,
) -> int:
    """The exit status: 0 when the scraper would start."""
    from pillion.scraper.configuration import ConfigurationError

    file = flags.config_file
    if not as_json:
        click.echo(f"Checking {file}")
    try:
        configuration = load()
    except PillionError as error:
        if as_json:
            _print(_Report(file=file, usable=False, errors=str(error).splitlines()))
            return EXIT_FAULTY
        if isinstance(error, ConfigurationError):
            click.echo(f"  FAILED: {error.in_prometheus_words()}\n", err=True)
            click.echo(str(error), err=True)
        else:
            click.echo(f"  FAILED: {error}", err=True)
        return EXIT_FAULTY
    missing = list(_missing_credentials(configuration))
    warnings = [*flag_warnings, *configuration.warnings, *_missing_target_files(configuration)]
    if as_json:
        _print(_Report(file=file, usable=not missing, errors=missing, warnings=warnings))
        return EXIT_FAULTY if missing else 0
    for text in missing:
        click.echo(f"  FAILED: {text}", err=True)
    for text in warnings:
        click.echo(f"  WARNING: {text}", err=True)
    if missing:
        return EXIT_FAULTY
    click.echo(f" SUCCESS: {file} is valid prometheus config file syntax\n")
    return 0


def _missing_credentials(configuration: Configuration) -> Iterator[str]:
    for scrape in configuration.scrape_configs:
        yield from _missing_files(scrape.http_client, f"{scrape.place}: {scrape.job_name}")
    for write in configuration.remote_write:
        yield from _missing_files(write.http_client, f"{write.place}: {write.name or 'remote_write'}")


def _missing_files(client: HttpClient, who: str) -> Iterator[str]:
    auth, tls = client.authorization, client.tls_config
    named = (
        ("authorization credentials or bearer token", auth.credentials_file if auth is not None else ""),
        ("client cert", tls.cert_file),
        ("client key", tls.key_file),
    )
    for what, file in named:
        if file and not Path(file).exists():
            yield f'{who}: error checking {what} file "{file}": no such file or directory'


def _missing_target_files(configuration: Configuration) -> Iterator[str]:
    for scrape in configuration.scrape_configs:
        for discovery in scrape.file_sd_configs:
            for file in discovery.files:
                if "*" not in file and not Path(file).exists():
                    yield f'file "{file}" for file_sd in scrape job "{scrape.job_name}" does not exist'


def _print(report: _Report) -> None:
    click.echo(msgspec.json.encode(report).decode())
