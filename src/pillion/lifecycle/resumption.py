"""A record that outlived the process whose it was: nobody will answer any more for what that process had asked for.

The kubelet keeps none of this: when it is started again it looks at the runtime and decides anew. So do we, but for
what no runtime knows: restart counts, probe results and their streaks, what the status said.

What a kubelet waits for is forgotten with it, and so it is here: backoff (kubelet.go: NewMainKubelet makes
crashLoopBackOff and imageBackOff anew), the reasons of failed starts (reason_cache.go), the pauses before the next try
at a volume or a sandbox. Whatever is due is tried at once, and its delays begin with the first again.
"""

from __future__ import annotations

from pillion.lifecycle.record import ContainerRecord, PodRecord, Stage, StartStage, VolumesRecord, replaced


def resume(record: PodRecord) -> PodRecord:
    """The record to go on with in a new process: everything learned, nothing under way."""
    resumed = replaced(
        record,
        containers=_containers(record),
        probes={
            key: replaced(probe, in_flight=False, is_resumed=True) for key, probe in record.probes.items()
        },
        volumes=VolumesRecord(mounted=record.volumes.mounted),
        sandbox_retry_at=None,
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
    under_way = starting.name if starting is not None and starting.stage is StartStage.STARTING else None
    return {
        name: ContainerRecord(
            attempts=max(0, known.attempts - (name == under_way)),
            shown=known.shown,
        )
        for name, known in record.containers.items()
    }


def _sandbox_attempts(record: PodRecord) -> int:
    sync = record.sync
    is_under_way = sync is not None and sync.create_sandbox is not None and sync.asked
    return max(0, record.sandbox_attempts - 1) if is_under_way else record.sandbox_attempts
