"""`pillion scrape`: the metrics scraper, with Prometheus' configuration and its command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pillion.cli.scrapeoptions import options, read_flags
from pillion.errors import HostError, ManifestError

if TYPE_CHECKING:
    from pillion.scraper.configuration import Configuration, Flags

_HELP = """Scrape metrics, serve them and forward them by remote write.

The configuration is Prometheus'; the flags are its too. Ctrl-C or SIGTERM scrapes a last time, delivers what can be
delivered before the flush deadline and leaves the rest in the log; SIGHUP reads the configuration again.

\b
pillion scrape --config.file=/etc/prometheus/prometheus.yml
pillion scrape --config.file=prometheus.yml --check-config
"""


def _scrape(*, check_config: bool, output: str | None, **values: Any) -> None:
    flags, warnings = read_flags(values)
    if output is not None and not check_config:
        raise click.UsageError("-o json belongs to --check-config")
    if check_config:
        from pillion.cli.scrapecheck import check

        sys.exit(check(flags, lambda: _load(flags, _read(flags)), warnings, as_json=output == "json"))
    configuration = _load(flags, _read(flags))
    for warning in (*warnings, *configuration.warnings):
        click.echo(f"warning: {warning}", err=True)
    from pillion.scraper import application

    sys.exit(
        application.run(
            configuration, flags, environment=os.environ, reload=lambda: _load(flags, _read(flags))
        )
    )


def _read(flags: Flags) -> str:
    """The configuration file's text."""
    try:
        return Path(flags.config_file).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise HostError(f"cannot read {flags.config_file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{flags.config_file}: it is not UTF-8 (byte {error.start})") from error


def _load(flags: Flags, text: str) -> Configuration:
    from pillion.scraper.configuration import load

    return load(text, flags.config_file, os.environ, files=HostFiles(), agent_mode=flags.agent_mode)


class HostFiles:
    """The machine's files, for `configuration.load`."""

    def load(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def matching(self, pattern: str) -> list[str]:
        import glob

        return sorted(glob.glob(pattern))  # noqa: PTH207 - Path.glob takes no absolute pattern


scrape = click.Command(
    "scrape",
    callback=_scrape,
    help=_HELP,
    short_help="Scrape metrics as Prometheus' configuration says, and forward them.",
    params=[
        *options(),
        click.Option(
            ["--check-config"],
            is_flag=True,
            help="Say what is wrong with the configuration, as promtool does.",
        ),
        click.Option(["-o", "--output"], type=click.Choice(["json"]), help="With --check-config: as JSON."),
    ],
)
