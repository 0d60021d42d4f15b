"""The keys of `[SERVICE]` (YAML: `service`).

Names and defaults: Fluent Bit's src/flb_config.c (`service_configs`, `flb_config_init`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec

from pillion.collector.configuration.settings import Differs, Kind, key

LogLevel = Literal["off", "error", "warn", "warning", "info", "debug", "trace"]


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and bytes, unless a key says otherwise."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "coro_stack_size": "there are no coroutine stacks to size",
        "coro_collective_timeslice": "there are no coroutine stacks to size",
        "enable_chunk_trace": "the status page shows where records are",
        **dict.fromkeys(
            ("dns.mode", "dns.resolver", "dns.prefer_ipv4", "dns.prefer_ipv6"),
            "names are resolved by the system; every address is tried",
        ),
        "storage.sync": "a chunk is on disk for certain before its source is told",
        "storage.checksum": "every chunk on disk has a checksum",
        "storage.max_chunks_up": "memory is bounded by mem_buf_limit of each input",
        "storage.backlog.mem_limit": "what waits on disk is read one chunk at a time",
        "storage.backlog.flush_on_shutdown": "what waits on disk is always tried once more at the end",
        "storage.delete_irrecoverable_chunks": "damaged chunks are put aside and counted, whole ones go on",
        "storage.trim_files": "segments are deleted when all of them is delivered",
        "storage.metrics": "always on",
        "json.escape_unicode": "JSON is written as UTF-8: escaped or not, it is the same JSON",
        "sp.convert_from_str_to_num": "there is no stream processor",
        "windows.maxstdio": "for Windows only",
        "hot_reload.ensure_thread_safety": "a reload waits for nothing that is not safe",
        "hot_reload.timeout": "a reload ends when the new configuration runs",
        **dict.fromkeys(
            (
                "hc_throughput", "hc_throughput_input_plugins", "hc_throughput_output_plugins",
                "hc_throughput_ratio_threshold", "hc_throughput_min_failures",
            ),
            "the status page shows the lag of every input and output instead",
        ),
    }  # fmt: skip
    refused: ClassVar[Mapping[str, str]] = {
        "plugins_file": "shared libraries cannot be loaded; the python filter takes a function of yours",
        "streams_file": "there is no stream processor",
    }

    place: str = ""
    flush: Annotated[
        float,
        key(
            kind=Kind.SECONDS,
            help="the longest that records wait to be sent together with others",
            differs=Differs(
                fluent_bit="records always wait for the next flush",
                why="an output that has nothing to do takes them at once",
            ),
        ),
    ] = 1.0
    grace: Annotated[
        float,
        key(
            kind=Kind.SECONDS,
            help="for the last read and delivery after SIGTERM",
            differs=Differs(fluent_bit="5", why="a Pod has 30 seconds by default, and 5 of them lose lines"),
        ),
    ] = 25.0
    daemon: Annotated[bool, key(help="must be off: a container's main process stays in the foreground")] = (
        False
    )
    log_file: Annotated[str, key(help="where our own messages go; stderr by default")] = ""
    log_level: Annotated[LogLevel, key(help="of our own messages; FLB_LOG_LEVEL in the environment wins")] = (
        "info"
    )
    parsers_file: Annotated[tuple[str, ...], key(repeated=True, help="a file of [PARSER] sections")] = ()

    http_server: Annotated[bool, key(help="serve health, metrics, status and reload")] = False
    http_listen: Annotated[str, key()] = "0.0.0.0"  # noqa: S104 - probes come from outside the Pod
    http_port: Annotated[int, key()] = 2020
    health_check: Annotated[bool, key(help="/api/v1/health answers by the three limits below")] = False
    hc_errors_count: Annotated[int, key(help="errors of outputs within hc_period that make it unhealthy")] = 5
    hc_retry_failure_count: Annotated[
        int, key(help="failed retries within hc_period that make it unhealthy")
    ] = 5
    hc_period: Annotated[int, key(help="seconds")] = 60
    ready_unsent_limit: Annotated[
        float,
        key(
            name="ready.unsent_limit",
            kind=Kind.SECONDS,
            help="/ready says no when an output has kept a record for longer; 0: never",
        ),
    ] = 60.0
    hot_reload: Annotated[bool, key(help="SIGHUP and /api/v2/reload read the configuration again")] = True

    scheduler_base: Annotated[
        float,
        key(
            name="scheduler.base",
            kind=Kind.SECONDS,
            help="about how long the first retry waits",
            differs=Differs(fluent_bit="5", why="most outages are short"),
        ),
    ] = 1.0
    scheduler_cap: Annotated[
        float,
        key(
            name="scheduler.cap",
            kind=Kind.SECONDS,
            help="the longest that a retry waits",
            differs=Differs(fluent_bit="2000", why="an output that is back gets its records within a minute"),
        ),
    ] = 60.0

    storage_path: Annotated[str, key(name="storage.path", help="the folder of what waits on disk")] = ""
    storage_type: Annotated[
        Literal["", "memory", "filesystem"],
        key(name="storage.type", help="of inputs that name none, with storage.inherit"),
    ] = ""
    storage_inherit: Annotated[bool, key(name="storage.inherit")] = False
    storage_keep_rejected: Annotated[
        bool,
        key(
            name="storage.keep.rejected",
            help="keep dead letters: records that an output will never take",
            differs=Differs(fluent_bit="off", why="refused records would be gone without a trace"),
        ),
    ] = True
    storage_rejected_path: Annotated[
        str, key(name="storage.rejected.path", help="their folder below storage.path")
    ] = "rejected"

    multiline_buffer_limit: Annotated[
        int, key(kind=Kind.BINARY_SIZE, help="a joined message that grows beyond is cut and marked")
    ] = 2 << 20
    json_convert_nan_to_null: Annotated[bool, key(name="json.convert_nan_to_null")] = False

    def __post_init__(self) -> None:
        if self.flush <= 0:
            raise ValueError("flush: must be more than 0")
        if self.daemon:
            raise ValueError("daemon: a container's main process stays in the foreground; remove it")
