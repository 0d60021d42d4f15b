"""Remote write's own metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families
from tests.unit.scraper.remotewrite.lab import batch, config, eventually, running, series_set

from pillion.scraper.exposition import Format
from pillion.scraper.exposition.writer import write_page
from pillion.scraper.remotewrite.report import families
from pillion.testing.destinations.peer import Reply
from pillion.testing.destinations.remotewrite import RemoteWriteServer

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_done_can_be_read_by_prometheus_names(tmp_path: Path) -> None:
    with RemoteWriteServer() as server:
        server.plan(Reply(status=503), Reply(status=404))
        with running(tmp_path, config(server, name="there")) as remote:
            for at in range(2):
                remote.append(batch(series_set(5), at))
                eventually(lambda: remote.destinations[0].pending == 0)
            page = write_page(families(remote), Format.TEXT_0).decode()
    found = {
        (sample.name, sample.labels.get("reason", ""), sample.labels.get("le", "")): sample
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }

    def value(name: str, reason: str = "", bound: str = "") -> float:
        return float(found[f"prometheus_remote_storage_{name}", reason, bound].value)

    assert value("samples_total") == 5
    assert value("samples_failed_total") == 5
    assert value("samples_retried_total") == 5
    assert value("samples_in_total") == 10
    assert value("samples_pending") == 0
    assert value("samples_dropped_total", "log_full") == 0
    assert value("shards") == 1
    assert value("sent_batch_duration_seconds_bucket", "", "+Inf") == 3
    assert value("highest_timestamp_in_seconds") == value("queue_highest_sent_timestamp_seconds")
    labels = found["prometheus_remote_storage_samples_total", "", ""].labels
    assert labels == {"remote_name": "there", "url": f"http://127.0.0.1:{server.port}/api/v1/write"}
