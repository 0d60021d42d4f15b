"""A record that outlived the process whose it was: nobody will answer any more for what that process had asked for.

The kubelet keeps none of this: when it is started again it looks at the runtime and decides anew. So do we, but for
what no runtime knows: restart counts, backoff, probe results, what the status said.
"""

from __future__ import annotations

from pillion.lifecycle.record import ContainerRecord, PodRecord, Stage, StartStage, replaced


def resume(record: PodRecord) -> PodRecord:
    """The record to go on with in a new process: everything learned, nothing under way."""
    resumed = replaced(
        record,
        containers=_containers(record),
        probes={key: replaced(probe, in_flight=False) for key, probe in record.probes.items()},
        volumes=replaced(record.volumes, in_flight=False),
        sandbox_attempts=_sandbox_attempts(record),
        sync=None,
        stops=(),
        grace=None,
        stopping_sandbox=False,
    )
    match record.stage:
        case Stage.TERMINATING:
            # The reasons to end the pod still hold, and lead there again: in order, with the whole grace period.
            return replaced(resumed, stage=Stage.SYNCING)
        case Stage.TERMINATED:
            return replaced(resumed, stage=Stage.TERMINATING)
        case Stage.SYNCING | Stage.FINISHED:
            return resumed


def _containers(record: PodRecord) -> dict[str, ContainerRecord]:
    """A start that was under way is not counted: if it came about, its instance is there and tells its own number."""
    starting = record.sync.starting if record.sync is not None else None
    if (
        starting is None
        or starting.stage is not StartStage.STARTING
        or starting.name not in record.containers
    ):
        return record.containers
    known = record.containers[starting.name]
    return record.containers | {starting.name: replaced(known, attempts=max(0, known.attempts - 1))}


def _sandbox_attempts(record: PodRecord) -> int:
    sync = record.sync
    is_under_way = sync is not None and sync.create_sandbox is not None and sync.asked
    return max(0, record.sandbox_attempts - 1) if is_under_way else record.sandbox_attempts
