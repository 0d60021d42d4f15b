"""What the API server counts of itself, in Kubernetes' names, for `/metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec


class RequestLabels(msgspec.Struct, frozen=True):
    verb: str
    group: str
    version: str
    resource: str
    subresource: str

    def text(self) -> str:
        return (
            f'verb="{self.verb}",group="{self.group}",version="{self.version}",'
            f'resource="{self.resource}",subresource="{self.subresource}"'
        )


class Instruments:
    def __init__(self) -> None:
        self._requests: Counter[tuple[RequestLabels, int]] = Counter()
        self._long_running: Counter[RequestLabels] = Counter()

    def count(self, labels: RequestLabels, code: int) -> None:
        self._requests[labels, code] += 1

    @contextmanager
    def running(self, labels: RequestLabels) -> Iterator[None]:
        """A watch or a stream, for as long as it lasts."""
        self._long_running[labels] += 1
        try:
            yield
        finally:
            self._long_running[labels] -= 1

    def exposition(self) -> str:
        """The text format of Prometheus."""
        lines = [
            "# HELP apiserver_request_total Requests answered, by verb, resource and HTTP status.",
            "# TYPE apiserver_request_total counter",
        ]
        lines += [
            f'apiserver_request_total{{{labels.text()},code="{code}"}} {count}'
            for (labels, code), count in self._requests.items()
        ]
        lines += [
            "# HELP apiserver_longrunning_requests Watches and streams that are open.",
            "# TYPE apiserver_longrunning_requests gauge",
        ]
        lines += [
            f"apiserver_longrunning_requests{{{labels.text()}}} {count}"
            for labels, count in self._long_running.items()
        ]
        return "\n".join(lines) + "\n"
