"""`pillion run -o json`: one JSON object per line, for programs. `type` says what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from pillion.cli.output import Output
from pillion.crilog import Entry
from pillion.daemon.publishing import Published
from pillion.daemon.run import FinishedPod
from pillion.objects.models import core_v1
from pillion.plan.pods import metadata_of
from pillion.status import PodRow

_encoder = msgspec.json.Encoder()


class JsonWatcher:
    def __init__(self, output: Output) -> None:
        self._output = output

    def _say(self, type_: str, **fields: Any) -> None:
        self._output.write(_encoder.encode({"type": type_} | fields) + b"\n")

    def applied(self, pod: core_v1.Pod, what: str) -> None:
        self._say("applied", **_which(pod), what=what)

    def changed(self, pod: core_v1.Pod, row: PodRow) -> None:
        self._say("row", **msgspec.structs.asdict(row), namespace=metadata_of(pod).namespace, object=pod)

    def event(self, event: core_v1.Event) -> None:
        self._say("event", object=event)

    def reachable(self, pod: core_v1.Pod, published: Iterable[Published]) -> None:
        status = pod.status
        self._say(
            "reachable",
            **_which(pod),
            ip=status.podIP if status is not None else None,
            published=[msgspec.structs.asdict(p.host_port) for p in published],
        )

    async def log(
        self, pod: core_v1.Pod, container: str, entries: list[Entry], shown: Callable[[], None]
    ) -> None:
        which = _which(pod)
        for entry in entries:
            self._say(
                "log",
                **which,
                container=container,
                time=entry.time,
                stream=entry.stream,
                line=entry.payload.decode(errors="replace"),
            )
        self._output.write(b"", shown)
        await self._output.room()

    def warn(self, text: str) -> None:
        self._say("note", level="warning", text=text)

    def finished(self, pods: list[FinishedPod]) -> None:
        for pod in pods:
            self._say("finished", **_which(pod.pod), phase=pod.phase, failed=pod.failed, story=pod.story)

    def hurry(self) -> None:
        self._output.hurry()

    async def close(self) -> None:
        await self._output.close()


def _which(pod: core_v1.Pod) -> dict[str, Any]:
    meta = metadata_of(pod)
    return {"pod": meta.name, "namespace": meta.namespace}
