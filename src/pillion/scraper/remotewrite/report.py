"""Remote write's own metrics, by Prometheus' names (storage/remote/queue_manager.go: newQueueManagerMetrics).

`samples_pending` is about the log, which is where samples wait here; there is no queue besides it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.scraper.client import without_user
from pillion.scraper.exposition import WrittenFamily, WrittenSample
from pillion.scraper.labels import Labels, labels_of
from pillion.scraper.remotewrite.counters import BUCKETS, Counters
from pillion.scraper.samples import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pillion.scraper.remotewrite.destination import Destination
    from pillion.scraper.remotewrite.remotewrite import RemoteWrite

_PREFIX = "prometheus_remote_storage_"
_COUNTERS: tuple[tuple[str, str, Callable[[Counters], float]], ...] = (
    ("samples_total", "Samples that were sent.", lambda c: c.samples),
    ("exemplars_total", "Exemplars that were sent.", lambda c: c.exemplars),
    ("metadata_total", "Metadata entries that were sent.", lambda c: c.metadata),
    ("samples_failed_total", "Samples that were refused for good.", lambda c: c.samples_failed),
    ("exemplars_failed_total", "Exemplars that were refused for good.", lambda c: c.exemplars_failed),
    ("metadata_failed_total", "Metadata entries that were refused for good.", lambda c: c.metadata_failed),
    ("samples_retried_total", "Samples in requests that had to be sent again.", lambda c: c.samples_retried),
    (
        "exemplars_retried_total",
        "Exemplars in requests that had to be sent again.",
        lambda c: c.exemplars_retried,
    ),
    (
        "metadata_retried_total",
        "Metadata entries in requests that had to be sent again.",
        lambda c: c.metadata_retried,
    ),
    ("bytes_total", "Bytes of samples that were sent, after compression.", lambda c: c.bytes),
    (
        "metadata_bytes_total",
        "Bytes of metadata that were sent, after compression.",
        lambda c: c.metadata_bytes,
    ),
)
_REASONS: tuple[tuple[str, Callable[[Counters], int]], ...] = (
    ("dropped_series", lambda c: c.dropped_relabelled),
    ("too_old", lambda c: c.dropped_old),
    ("log_full", lambda c: c.dropped_unsent),
)
_GAUGES: tuple[tuple[str, str, Callable[[Destination], float]], ...] = (
    ("samples_pending", "Samples in the log that are not sent yet.", lambda d: d.pending),
    ("shards", "Threads that send.", lambda d: d.shards),
    ("shards_max", "Most threads that may send.", lambda d: d.config.queue_config.max_shards),
    ("shards_min", "Fewest threads that send.", lambda d: d.config.queue_config.min_shards),
    ("shards_desired", "Threads that the load would need.", lambda d: d.desired_shards),
    (
        "max_samples_per_send",
        "Most samples of a request.",
        lambda d: d.config.queue_config.max_samples_per_send,
    ),
)


def families(remote: RemoteWrite) -> Iterator[WrittenFamily]:
    there = [(_labels(one), one, one.totals) for one in remote.destinations]
    for name, text, value in _COUNTERS:
        yield _family(name, "counter", text, [({}, mine, value(total)) for mine, _, total in there])
    dropped = [
        ({"reason": reason}, mine, float(count(total)))
        for mine, _, total in there
        for reason, count in _REASONS
    ]
    yield _family("samples_dropped_total", "counter", "Samples that were not sent, by reason.", dropped)
    for name, text, gauge in _GAUGES:
        yield _family(name, "gauge", text, [({}, mine, gauge(one)) for mine, one, _ in there])
    yield _family(
        "queue_highest_sent_timestamp_seconds",
        "gauge",
        "The newest timestamp that was sent.",
        [({}, mine, total.highest_sent / 1000) for mine, _, total in there],
    )
    yield _durations([(mine, total) for mine, _, total in there])
    wal = remote.wal
    for name, kind, text, number in (
        (
            "highest_timestamp_in_seconds",
            "gauge",
            "The newest timestamp that was appended.",
            wal.highest / 1000,
        ),
        ("samples_in_total", "counter", "Samples that were appended.", wal.appended),
        ("log_bytes", "gauge", "Size of the write-ahead log.", wal.size_bytes),
        ("log_lost_samples_total", "counter", "Samples that could not be written to it.", wal.lost),
    ):
        yield _family(name, kind, text, [({}, {}, float(number))])


def _labels(one: Destination) -> dict[str, str]:
    return {"remote_name": one.name, "url": without_user(one.config.url)}


def _family(
    name: str, kind: str, text: str, samples: list[tuple[dict[str, str], dict[str, str], float]]
) -> WrittenFamily:
    full = _PREFIX + name
    return WrittenFamily(
        metadata=Metadata(name=full, type=kind, help=text),
        samples=tuple(
            [
                WrittenSample(labels=_named(full, {**own, **labels}), value=float(value))
                for own, labels, value in samples
            ]
        ),
    )


def _durations(totals: list[tuple[dict[str, str], Counters]]) -> WrittenFamily:
    full = f"{_PREFIX}sent_batch_duration_seconds"
    samples = []
    for labels, total in totals:
        below = 0
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], total.durations, strict=True):
            below += count
            samples.append(
                WrittenSample(labels=_named(f"{full}_bucket", {**labels, "le": bound}), value=float(below))
            )
        samples.append(WrittenSample(labels=_named(f"{full}_sum", labels), value=total.seconds))
        samples.append(WrittenSample(labels=_named(f"{full}_count", labels), value=float(total.requests)))
    return WrittenFamily(
        metadata=Metadata(name=full, type="histogram", help="Seconds that requests took."),
        samples=tuple(samples),
    )


def _named(name: str, labels: dict[str, str]) -> Labels:
    return labels_of({"__name__": name, **labels})
