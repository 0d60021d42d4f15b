"""`pillion collect --check`: what is wrong with a configuration, and what differs from Fluent Bit."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from pillion.cli.collect import EXIT_FAULTY
from pillion.errors import PillionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pillion.collector.configuration import Configuration, Difference


class _Difference(msgspec.Struct, kw_only=True):
    place: str
    subject: str
    ours: str
    fluent_bit: str
    why: str


class _Report(msgspec.Struct, kw_only=True):
    """What `-o json` prints."""

    file: str = ""
    usable: bool
    errors: list[str] = []
    warnings: list[str] = []
    differences: list[_Difference] = []


def check(
    load: Callable[[], Configuration],
    environment: Mapping[str, str],
    *,
    as_json: bool,
    with_differences: bool,
) -> int:
    """The exit status: 0 when the collector would start."""
    try:
        configuration = load()
        _build(configuration, environment)
    except PillionError as error:
        if as_json:
            _print(_Report(usable=False, errors=str(error).splitlines()))
        else:
            click.echo(str(error), err=True)
        return EXIT_FAULTY
    if as_json:
        differences = [_plain(difference) for difference in configuration.differences]
        _print(
            _Report(
                file=configuration.file,
                usable=True,
                warnings=list(configuration.warnings),
                differences=differences,
            )
        )
        return 0
    for warning in configuration.warnings:
        click.echo(f"{warning}", err=True)
    click.echo(_summary(configuration))
    if with_differences and configuration.differences:
        click.echo("\nWorks in another way than in Fluent Bit:")
        for difference in configuration.differences:
            click.echo(f"  {_sentence(difference)}")
    return 0


def _build(configuration: Configuration, environment: Mapping[str, str]) -> None:
    """Build parsers, filters and outputs, and let them go: only then it is known whether expressions are any.

    Inputs are left out: they take locks and ports that a collector may have at this moment. Raises ConfigurationError
    and HostError.
    """
    from pillion.clock import LoopClock
    from pillion.collector.pipeline.assembly import plan
    from pillion.collector.pipeline.instances import LOG, Surroundings
    from pillion.collector.status import Notices

    async def build() -> None:
        surroundings = Surroundings(
            configuration,
            clock=LoopClock(),
            environment=environment,
            folder=Path(configuration.folder),
            notices=Notices(logging.getLogger(LOG)),
            checkpoint_folder=None,
        )
        for parser in configuration.parsers:
            surroundings.parser(parser.name, parser.place)
        for multiline in configuration.multiline_parsers:
            surroundings.multiline_parser(multiline.name, multiline.place)
        for planned in plan(configuration, surroundings).outputs:
            if planned.output is not None:
                planned.output.close()

    asyncio.run(build())


def _summary(configuration: Configuration) -> str:
    counts = (
        (len(configuration.inputs), "input"),
        (len(configuration.filters), "filter"),
        (len(configuration.outputs), "output"),
    )
    parts = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
    return f"{configuration.file or 'the command line'} can be used: {parts}"


def _sentence(difference: Difference) -> str:
    instead = f"{difference.ours}; Fluent Bit: {difference.fluent_bit}"
    return f"{difference.place}: {difference.subject}: {instead} ({difference.why})"


def _plain(difference: Difference) -> _Difference:
    return _Difference(
        place=str(difference.place),
        subject=difference.subject,
        ours=difference.ours,
        fluent_bit=difference.fluent_bit,
        why=difference.why,
    )


def _print(report: _Report) -> None:
    click.echo(msgspec.json.encode(report).decode())
