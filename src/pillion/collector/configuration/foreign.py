"""Fluent Bit's plugins that are not here, so that an error can say so: cmake/plugins_options.cmake of 5.1."""

from __future__ import annotations

from pillion.collector.configuration.configured import PluginKind


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FOREIGN: dict[PluginKind, frozenset[str]] = {
    PluginKind.INPUT: _names(
        """
        blob calyptia_fleet collectd cpu disk docker docker_events ebpf elasticsearch emitter event_test event_type exec
        exec_wasi fluentbit_logs fluentbit_metrics gpu_metrics head health kafka kmsg kubernetes_events lib mem mqtt
        netif nginx_metrics node_exporter_metrics opentelemetry podman_metrics proc process_exporter_metrics
        prometheus_remote_write prometheus_scrape prometheus_textfile random serial splunk statsd storage_backlog syslog
        systemd tcp thermal udp unix_socket windows_exporter_metrics winevtlog winlog winstat
        """
    ),
    PluginKind.FILTER: _names(
        """
        alter_size aws checklist content_modifier cumulative_to_delta ecs expect geoip2 labels log_to_metrics lookup lua
        metrics_selector nightfall opentelemetry_envelope sampling sql stdout sysinfo tda tensorflow throttle_size
        topological_data_analysis type_converter wasm
        """
    ),
    PluginKind.OUTPUT: _names(
        """
        azure azure_blob azure_kusto azure_logs_ingestion bigquery calyptia chronicle counter exit flowcounter gelf
        influxdb kafka kafka-rest kinesis_firehose kinesis_streams lib logdna logrotate nats nrlogs
        oracle_log_analytics pgsql plot prometheus_exporter prometheus_remote_write retry s3 skywalking slack td tcp udp
        vivo_exporter websocket
        """
    ),
}

ADVICE: dict[tuple[PluginKind, str], str] = {
    (PluginKind.FILTER, "content_modifier"): "modify, record_modifier and nest change records",
    (PluginKind.FILTER, "sql"): "grep chooses records, record_modifier their keys",
    (PluginKind.FILTER, "lua"): "the python filter takes a function of yours",
    (PluginKind.FILTER, "type_converter"): "a parser's Types converts, and so does the python filter",
    (PluginKind.FILTER, "stdout"): "add an [OUTPUT] stdout with the same match",
    (PluginKind.INPUT, "node_exporter_metrics"): "metrics are not collected here",
    (PluginKind.INPUT, "fluentbit_metrics"): "http_server On serves our metrics",
    (PluginKind.OUTPUT, "prometheus_exporter"): "http_server On serves our metrics",
}
