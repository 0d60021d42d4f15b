"""Pages as programs that are in use write them: what a scrape of them gives, and that the next one is quick."""

from __future__ import annotations

import math
from array import array

import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    Summary,
    generate_latest,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from pillion.scraper.exposition import Format, Page, page_reader
from pillion.scraper.exposition.reader import _TargetReader

NODE_EXPORTER = """\
# HELP go_gc_duration_seconds A summary of the wall-time pause (stop-the-world) duration in garbage collection cycles.
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0"} 1.9e-05
go_gc_duration_seconds{quantile="1"} 0.00042
go_gc_duration_seconds_sum 0.0131
go_gc_duration_seconds_count 71
# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 91234.56
node_cpu_seconds_total{cpu="0",mode="iowait"} 12.3
node_cpu_seconds_total{cpu="1",mode="idle"} 90001.75
node_cpu_seconds_total{cpu="1",mode="iowait"} 9.81
# HELP node_filesystem_avail_bytes Filesystem space available to non-root users in bytes.
# TYPE node_filesystem_avail_bytes gauge
node_filesystem_avail_bytes{device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 3.1234e+10
node_filesystem_avail_bytes{device="//server/share",device_error="",fstype="cifs",mountpoint="/mnt/C:\\\\x"} NaN
# HELP node_uname_info Labeled system information as provided by the uname system call.
# TYPE node_uname_info gauge
node_uname_info{nodename="box",release="6.1.0",version="#1 SMP PREEMPT Debian 6.1 (2026-01-02)"} 1
"""
ENVOY = """\
# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{envoy_cluster_name="agent"} 42

# TYPE envoy_server_live gauge
envoy_server_live{} 1

# TYPE envoy_cluster_upstream_rq_time histogram
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="agent",le="0.5"} 3
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="agent",le="1"} 5
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="agent",le="3.6e+06"} 42
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="agent",le="+Inf"} 42
envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="agent"} 318.3500000000000227
envoy_cluster_upstream_rq_time_count{envoy_cluster_name="agent"} 42
"""
ETCD = """\
# HELP etcd_server_has_leader Whether or not a leader exists. 1 is existence, 0 is not.
# TYPE etcd_server_has_leader gauge
etcd_server_has_leader 1
# HELP etcd_disk_wal_fsync_duration_seconds The latency distributions of fsync called by WAL.
# TYPE etcd_disk_wal_fsync_duration_seconds histogram
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 12
etcd_disk_wal_fsync_duration_seconds_bucket{le="8.192"} 13
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 13
etcd_disk_wal_fsync_duration_seconds_sum 0.0093
etcd_disk_wal_fsync_duration_seconds_count 13
# HELP grpc_server_handled_total Total number of RPCs completed on the server, regardless of success or failure.
# TYPE grpc_server_handled_total counter
grpc_server_handled_total{grpc_code="OK",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 7
"""
PROMETHEUS = """\
# HELP prometheus_engine_query_duration_seconds Query timings
# TYPE prometheus_engine_query_duration_seconds summary
prometheus_engine_query_duration_seconds{slice="inner_eval",quantile="0.5"} NaN
prometheus_engine_query_duration_seconds{slice="inner_eval",quantile="0.99"} NaN
prometheus_engine_query_duration_seconds_sum{slice="inner_eval"} 0
prometheus_engine_query_duration_seconds_count{slice="inner_eval"} 0
# HELP prometheus_build_info A metric with a constant '1' value labeled by version, revision and branch.
# TYPE prometheus_build_info gauge
prometheus_build_info{branch="HEAD",goversion="go1.19.5",revision="225c61122d88",version="2.42.0"} 1
# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.79512034526e+09
# TYPE process_virtual_memory_max_bytes gauge
process_virtual_memory_max_bytes 1.8446744073709552e+19
"""
FEDERATED = """\
# TYPE up untyped
up{instance="a:80",job="agent"} 1 1790000000123
up{instance="b:80",job="agent"} 0 1790000000456
# TYPE scrape_samples_scraped untyped
scrape_samples_scraped{instance="a:80",job="agent"} 120 1790000000123
"""
CADVISOR = """\
# TYPE machine_cpu_cores gauge
machine_cpu_cores 2
# TYPE container_memory_usage_bytes gauge
container_memory_usage_bytes{id="/",name=""} 1.5e+09 1790000000123
container_memory_usage_bytes{id="/x",name="a b"} 2048 1790000000124
"""


def values(page: Page) -> dict[str, float]:
    written = [
        ",".join(value if name == "__name__" else f"{name}={value}" for name, value in labels)
        for labels in page.series.labels
    ]
    return dict(zip(written, array("d", page.values), strict=True))


@pytest.mark.parametrize(
    ("text", "series"),
    [(NODE_EXPORTER, 11), (ENVOY, 8), (ETCD, 7), (PROMETHEUS, 7), (FEDERATED, 3), (CADVISOR, 3)],
    ids=["node exporter", "Envoy", "etcd", "Prometheus", "federation", "cAdvisor"],
)
def test_pages_of_the_field_are_read_and_read_again_quickly(text: str, series: int) -> None:
    reader = _TargetReader(Format.TEXT_0, starts=False)
    first = reader.read(text.encode())
    layout = reader._layout
    assert layout is not None
    second = reader.read(text.replace(" 42\n", " 43\n").encode())
    assert reader._layout is layout, "it was compared, not read line by line"
    assert len(first.series.labels) == series
    assert second.series is first.series
    assert second.times == first.times


def test_an_envoy_page_has_its_bounds_as_floats() -> None:
    read = values(page_reader(Format.TEXT_0).read(ENVOY.encode()))
    assert read["envoy_server_live"] == 1
    assert read["envoy_cluster_upstream_rq_time_sum,envoy_cluster_name=agent"] == 318.35
    assert [key.rpartition("le=")[2] for key in read if "le=" in key] == ["0.5", "1.0", "3.6e+06", "+Inf"]


def test_a_node_exporters_empty_and_escaped_labels_are_read() -> None:
    read = values(page_reader(Format.TEXT_0).read(NODE_EXPORTER.encode()))
    assert (
        read["node_filesystem_avail_bytes,device=/dev/sda1,device_error=,fstype=ext4,mountpoint=/"]
        == 3.1234e10
    )
    assert math.isnan(
        read[
            "node_filesystem_avail_bytes,device=//server/share,device_error=,fstype=cifs,mountpoint=/mnt/C:\\x"
        ]
    )
    assert (
        read["node_uname_info,nodename=box,release=6.1.0,version=#1 SMP PREEMPT Debian 6.1 (2026-01-02)"] == 1
    )


def agent() -> tuple[CollectorRegistry, Counter, Histogram]:
    registry = CollectorRegistry()
    requests = Counter("requests", "Requests by code.", ["code"], registry=registry)
    latency = Histogram("latency_seconds", "Time taken.", ["path"], registry=registry, buckets=(0.1, 1, 10))
    Gauge("queue", 'Jobs that wait, "all".', registry=registry).set(3)
    Summary("size_bytes", "Sizes.", registry=registry).observe(12)
    Info("build", "Build.", registry=registry).info({"version": "1.0"})
    Enum("phase", "Phase.", states=["a", "b"], registry=registry).state("b")
    requests.labels("200").inc(2, exemplar={"trace_id": "4bf9"})
    latency.labels('/a"b\\c').observe(0.5, exemplar={"trace_id": "77aa"})
    return registry, requests, latency


@pytest.mark.parametrize("page_format", [Format.TEXT_0, Format.OPENMETRICS_1])
def test_a_python_agents_page_is_read_in_the_format_it_was_asked_for(page_format: Format) -> None:
    registry, requests, latency = agent()
    generate = generate_latest if page_format is Format.TEXT_0 else generate_openmetrics
    reader = page_reader(page_format, starts=True)
    first = reader.read(generate(registry))
    latency.labels('/a"b\\c').observe(20, exemplar={"trace_id": "88bb"})
    requests.labels("200").inc()
    second = reader.read(generate(registry))
    assert second.series is first.series
    read = values(second)
    assert read["requests_total,code=200"] == 3
    assert read['latency_seconds_bucket,le=10.0,path=/a"b\\c'] == 1
    assert read['latency_seconds_bucket,le=+Inf,path=/a"b\\c'] == 2
    assert read["build_info,version=1.0"] == 1
    assert read["phase,phase=b"] == 1
    if page_format is Format.OPENMETRICS_1:
        assert [exemplar.labels for exemplar in first.exemplars] == [
            (("trace_id", "4bf9"),),
            (("trace_id", "77aa"),),
        ]
        assert (("trace_id", "88bb"),) in {exemplar.labels for exemplar in second.exemplars}
        assert not any("_created" in key for key in read)
        assert second.starts is not None
        assert sum(1 for start in second.starts if start > 1_600_000_000_000) == 9


def test_a_series_that_comes_and_goes_gives_new_series_and_the_same_labels() -> None:
    reader = page_reader(Format.TEXT_0)
    with_it, without = b'a{x="1"} 1\nb 2\nc 3\n', b'a{x="1"} 1\nc 3\n'
    first, second, third = reader.read(with_it), reader.read(without), reader.read(with_it)
    assert second.series is not first.series
    assert second.series.labels[0] is first.series.labels[0]
    assert third.series.labels == first.series.labels


def test_a_changed_comment_gives_the_same_series_unless_it_says_something() -> None:
    reader = page_reader(Format.TEXT_0)
    first = reader.read(b"# written at 10:00\na 1\n").series
    assert reader.read(b"# written at 10:01\na 1\n").series is first
    assert reader.read(b"# HELP a A.\na 1\n").series is not first
