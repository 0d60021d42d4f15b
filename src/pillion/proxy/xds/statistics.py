"""Which of Envoy's statistics are kept, and how Prometheus calls them. Pure.

Envoy has some hundred for each listener and cluster; the rest of them nobody looks at, and each costs memory and a line
of every scrape. What the supervisor itself asks for (`server.`, `…update_…`, `…_active`) must stay in this list.
"""

from __future__ import annotations

from pillion.proxy.xds.snapshot import Resource

_UPDATES = (
    r"(version|version_text|update_attempt|update_success|update_rejected|update_failure|init_fetch_timeout)"
)
_TLS = r"ssl\.(handshake|connection_error|no_certificate|session_reused|fail_verify_\w+|versions\..*)"
_REQUESTS = r"_rq_(total|active|completed|[1-5]xx|time|timeout|rx_reset|tx_reset)"
_CONNECTIONS = (
    r"_cx_(total|active|rx_bytes_total|tx_bytes_total|protocol_error|idle_timeout|max_duration_reached)"
)
_LISTENER = (
    r"downstream_cx_(total|active|overflow|overload_reject)|downstream_global_cx_overflow"
    r"|downstream_pre_cx_timeout|transport_socket_connect_timeout|no_filter_chain_match"
    r"|server_ssl_socket_factory\.ssl_context_update_by_sds"
)
_HTTP = (
    rf"downstream({_REQUESTS}|_rq_(idle_timeout|header_timeout|too_large)|{_CONNECTIONS}"
    r"|_cx_(drain_close|upgrades_active|upgrades_total|http1_active|http2_active))"
    r"|no_route|no_cluster|rbac\.(allowed|denied)"
)
_CLUSTER = (
    rf"upstream({_REQUESTS}|_rq_([1-5]\d\d|retry.*|pending_active|pending_overflow|per_try_timeout|cancelled)"
    rf"|{_CONNECTIONS}|_cx_(connect_fail|connect_timeout|overflow|none_healthy|connect_ms))"
    r"|membership_(total|healthy)|update_(attempt|success|failure)"
    r"|outlier_detection\.ejections_(active|enforced_total)"
    r"|client_ssl_socket_factory\.ssl_context_update_by_sds"
)
_SERVER = (
    r"live|state|uptime|version|concurrency|total_connections|memory_allocated|memory_heap_size"
    r"|memory_physical_size|initialization_time_ms|envoy_bug_failures"
)
KEPT = (
    rf"server\.({_SERVER})",
    rf"listener_manager\.(lds\.{_UPDATES}|listener_.*|total_.*|workers_started)",
    rf"cluster_manager\.(cds\.{_UPDATES}|active_clusters|warming_clusters|cluster_.*)",
    rf"sds\..*\.({_UPDATES}|key_rotation_failed)",
    rf"listener\.(in|out)bound-[^.]+\.({_LISTENER}|{_TLS})",
    rf"http\.(in|out)bound-[^.]+\.({_HTTP}|rds\..*\.{_UPDATES})",
    rf"cluster\.(local|outbound|trace)-[^.]+\.({_CLUSTER}|{_TLS})",
    r"[^.]+\.http_local_rate_limit\.(ok|rate_limited)",
    r"http[12]\.requests_rejected_with_underscores_in_headers",
    r"names\.rbac\.denied",
    r"tls_inspector\.(tls_found|tls_not_found)",
    r"overload\.envoy\.\w+\.\w+\.(pressure|active|scale_percent|shrink_count|count)",
    r"filesystem\.(write_completed|write_failed|reopen_failed)",
    r"tracing\.opentelemetry\.spans_.*",
)
"""Patterns of whole names."""
_BUCKETS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000)
"""Up to the length of an agent's answers."""

SETTINGS: Resource = {
    "stats_matcher": {
        "inclusion_list": {"patterns": [{"safe_regex": {"regex": pattern}} for pattern in KEPT]}
    },
    "histogram_bucket_settings": [
        {"match": {"suffix": "_rq_time"}, "buckets": list(_BUCKETS_MS)},
        {"match": {"suffix": "connect_ms"}, "buckets": list(_BUCKETS_MS[:12])},
    ],
}
