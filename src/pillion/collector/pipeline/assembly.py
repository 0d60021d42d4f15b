"""From a configuration to the parts of a pipeline; what has not changed since an earlier one is taken from there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from pillion.collector.configuration import Configuration, ConfigurationError, PluginSection
from pillion.collector.configuration.service import ServiceSettings
from pillion.collector.configuration.settings import InputSettings, OutputSettings
from pillion.collector.pipeline.backoff import Backoff, retries_allowed
from pillion.collector.pipeline.destinations import Destination, Limits
from pillion.collector.pipeline.filtering import Chain, Stage
from pillion.collector.pipeline.instances import (
    Surroundings,
    build_filter,
    build_output,
    identity,
    pattern_of,
)
from pillion.collector.pipeline.intake import Source
from pillion.collector.pipeline.matching import Pattern
from pillion.collector.plugin import Input, Output
from pillion.collector.status import FilterStatus, InputStatus, OutputStatus


class RunningInput:
    def __init__(self, section: PluginSection[InputSettings], input_: Input, source: Source) -> None:
        self.section = section
        self.input = input_
        self.source = source
        self.stopping = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()


class RunningOutput(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    section: PluginSection[OutputSettings]
    destination: Destination


class PlannedInput(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    section: PluginSection[InputSettings]
    status: InputStatus
    kept: RunningInput | None = None
    """It runs already, and goes on."""


class PlannedOutput(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    section: PluginSection[OutputSettings]
    pattern: Pattern
    limits: Limits
    kept: RunningOutput | None = None
    heir_of: RunningOutput | None = None
    """It gets what that one had not delivered."""
    output: Output | None = None
    """None with `kept`."""
    status: OutputStatus


class Plan(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    inputs: tuple[PlannedInput, ...]
    chain: Chain
    outputs: tuple[PlannedOutput, ...]


def plan(
    configuration: Configuration,
    surroundings: Surroundings,
    *,
    inputs: Sequence[RunningInput] = (),
    outputs: Sequence[RunningOutput] = (),
) -> Plan:
    """Builds outputs and filters that are new. Inputs are built when they start: they may lock what an old one has.

    Raises ConfigurationError or HostError, and then nothing is left open.
    """
    for section in configuration.inputs:
        if section.settings.storage_type == "filesystem" and not configuration.service.storage_path:
            raise ConfigurationError(
                f"{section.place}: [INPUT] {section.plugin}: storage.type filesystem needs a storage.path in [SERVICE]"
            )
    with contextlib.ExitStack() as on_failure:
        planned_outputs = tuple(
            _plan_output(section, configuration.service, surroundings, outputs, on_failure)
            for section in configuration.outputs
        )
        chain = Chain(tuple(_stage(section, surroundings) for section in configuration.filters))
        on_failure.pop_all()
    running = {identity(each.section): each for each in inputs}
    planned_inputs = tuple(
        PlannedInput(
            section=section,
            status=kept.source.status if kept else InputStatus(name=section.name, plugin=section.plugin),
            kept=kept,
        )
        for section in configuration.inputs
        for kept in [running.get(identity(section))]
    )
    return Plan(inputs=planned_inputs, chain=chain, outputs=planned_outputs)


def _plan_output(
    section: PluginSection[OutputSettings],
    service: ServiceSettings,
    surroundings: Surroundings,
    running: Sequence[RunningOutput],
    on_failure: contextlib.ExitStack,
) -> PlannedOutput:
    pattern, limits = pattern_of(section), limits_of(section, service)
    for each in running:
        if identity(each.section) == identity(section):
            return PlannedOutput(
                section=section, pattern=pattern, limits=limits, kept=each, status=each.destination.status
            )
    heir_of = next(
        (
            each
            for each in running
            if (each.section.plugin, each.section.name) == (section.plugin, section.name)
        ),
        None,
    )
    status = (
        heir_of.destination.status
        if heir_of is not None
        else OutputStatus(name=section.name, plugin=section.plugin)
    )
    output = build_output(section, status, surroundings)
    on_failure.callback(output.close)
    return PlannedOutput(
        section=section, pattern=pattern, limits=limits, heir_of=heir_of, output=output, status=status
    )


def _stage(section: PluginSection[Any], surroundings: Surroundings) -> Stage:
    status = FilterStatus(name=section.name, plugin=section.plugin)
    return Stage(
        filter=build_filter(section, status, surroundings),
        pattern=pattern_of(section),
        status=status,
        input=section.input,
    )


def limits_of(section: PluginSection[OutputSettings], service: ServiceSettings) -> Limits:
    """Raises ConfigurationError."""
    settings = section.settings
    try:
        retries = retries_allowed(settings.retry_limit)
    except ValueError as error:
        raise ConfigurationError(
            f"{settings.place}: retry_limit: {settings.retry_limit!r} is neither a number, no_limits nor no_retries"
        ) from error
    backoff = Backoff(base=service.scheduler_base, cap=max(service.scheduler_base, service.scheduler_cap))
    return Limits(backoff=backoff, retries=retries, flush=service.flush)
