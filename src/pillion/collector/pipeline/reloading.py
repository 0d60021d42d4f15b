"""Another configuration for a running pipeline: nothing is lost by it, and nothing is sent twice.

What has not changed goes on. An output that has is closed, and its heir (the same plugin and name) gets what it had not
delivered; one that is gone gets its grace, and then its records become dead letters. An input that has changed or is
gone reads what is there and is closed when all of that is settled; only then its replacement starts, where its
checkpoint is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from pillion.collector.configuration import Configuration
from pillion.collector.pipeline.assembly import PlannedInput, RunningInput, RunningOutput, plan
from pillion.collector.pipeline.destinations import Destination
from pillion.collector.pipeline.instances import Surroundings
from pillion.collector.pipeline.lanes import Delivery
from pillion.collector.pipeline.pipeline import Pipeline

HANDOVER_SECONDS = 5.0
"""For the deliveries of an output that is replaced to end by themselves."""


async def reload(
    pipeline: Pipeline,
    configuration: Configuration,
    surroundings: Surroundings,
    *,
    handover_seconds: float = HANDOVER_SECONDS,
) -> None:
    """Returns when the new filters and outputs are at work; inputs may take longer.

    Raises ConfigurationError or HostError, and then everything goes on as it was.
    """
    async with pipeline.changing:
        if pipeline.is_stopping:
            return
        same_parsers = (
            configuration.parsers == pipeline.configuration.parsers
            and configuration.multiline_parsers == pipeline.configuration.multiline_parsers
        )
        planned = plan(
            configuration,
            surroundings,
            inputs=pipeline.inputs if same_parsers else (),
            outputs=pipeline.outputs,
        )
        # Nothing below fails.
        before = pipeline.outputs
        held = pipeline.exchange(configuration, surroundings, planned)
        heirs = {
            each.heir_of: running.destination
            for each, running in zip(planned.outputs, pipeline.outputs, strict=True)
            if each.heir_of is not None
        }
        for heir in heirs.values():
            heir.pause()
        kept_outputs = {each.kept for each in planned.outputs}
        kept_inputs = {each.kept for each in planned.inputs}
        gone = [each for each in pipeline.inputs if each not in kept_inputs]
        pipeline.inputs = [each for each in pipeline.inputs if each in kept_inputs]
        pipeline.retiring += gone
        new = [each for each in planned.inputs if each.kept is None]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pipeline.road.give_out(held))
            for old in before:
                if old not in kept_outputs:
                    tasks.create_task(_hand_over(pipeline, old, heirs.get(old), handover_seconds))
        pipeline.spawn(_replace_inputs(pipeline, gone, new))


async def _hand_over(
    pipeline: Pipeline, old: RunningOutput, heir: Destination | None, seconds: float
) -> None:
    if heir is None:
        old.destination.hurry()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await old.destination.drained()
    left = await old.destination.close(patience=seconds, within=1.0)
    if heir is not None:
        heir.adopt(left)
    else:
        await asyncio.to_thread(_bury, old, left)
        for delivery in left:
            for entry in delivery.entries:
                if not entry.is_stored:
                    entry.done()
        pipeline.log.info("%s is gone; %d records were left", old.section.name, sum(d.records for d in left))


def _bury(old: RunningOutput, left: list[Delivery]) -> None:
    """What waits on disk stays there: the output may come back."""
    for delivery in left:
        if not delivery.entries[0].is_stored:
            old.destination.bury(delivery, "its output was taken out of the configuration")


async def _replace_inputs(
    pipeline: Pipeline, gone: Sequence[RunningInput], new: Sequence[PlannedInput]
) -> None:
    """A new input starts when the old ones are closed: it may read the same files, or listen on the same port."""
    for running in gone:
        running.stopping.set()
    for running in gone:
        name = running.section.name
        try:
            async with asyncio.timeout(pipeline.grace):
                await running.ended.wait()
                await running.source.settled()
        except TimeoutError:
            pipeline.log.warning(
                "%s is replaced although not everything it read is delivered: it may be sent twice", name
            )
            running.source.is_closed = True
            if running.task is not None:
                running.task.cancel()
            await running.ended.wait()
        await pipeline.close_input(running)
        pipeline.retiring.remove(running)
    for planned in new:
        pipeline.start_input(planned)
