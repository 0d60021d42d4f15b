"""`pillion run -o json`: one JSON object per line, for programs. `type` says what it is."""

from __future__ import annotations

from collections.abc import Iterable
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
        self._say("applied", pod=metadata_of(pod).name, what=what)

    def changed(self, pod: core_v1.Pod, row: PodRow) -> None:
        self._say("row", **msgspec.structs.asdict(row), object=pod)

    def event(self, event: core_v1.Event) -> None:
        self._say("event", object=event)

    def reachable(self, pod: core_v1.Pod, published: Iterable[Published]) -> None:
        status = pod.status
        self._say(
            "reachable",
            pod=metadata_of(pod).name,
            ip=status.podIP if status is not None else None,
            published=[msgspec.structs.asdict(p.host_port) for p in published],
        )

    async def log(self, pod: core_v1.Pod, container: str, entries: list[Entry]) -> None:
        name = metadata_of(pod).name
        for entry in entries:
            self._say(
                "log",
                pod=name,
                container=container,
                time=entry.time,
                stream=entry.stream,
                line=entry.payload.decode(errors="replace"),
            )
        await self._output.room()

    def warn(self, text: str) -> None:
        self._say("note", level="warning", text=text)

    def finished(self, pods: list[FinishedPod]) -> None:
        for pod in pods:
            self._say(
                "finished", pod=metadata_of(pod.pod).name, phase=pod.phase, failed=pod.failed, story=pod.story
            )

    async def close(self) -> None:
        await self._output.close()
