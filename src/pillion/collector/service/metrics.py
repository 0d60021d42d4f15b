"""The counters as Fluent Bit shows them. Pure.

Names, types and help: Fluent Bit's documentation, "Monitoring"; src/flb_input.c, flb_filter.c, flb_output.c,
flb_storage.c and flb_metrics.c for version 2, src/http_server/api/v1/metrics.c for version 1. What Fluent Bit has no
name for is `pillion_collector_…`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

import msgspec

from pillion.collector.service.view import View
from pillion.collector.status import FilterStatus, InputStatus, OutputStatus

Labels = tuple[tuple[str, str], ...]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    help: str
    type: str = "counter"
    samples: tuple[tuple[Labels, float], ...]


def version_1(view: View) -> dict[str, dict[str, dict[str, int]]]:
    """What `/api/v1/metrics` has."""
    return {
        "input": {each.name: _input_numbers(each) for each in view.inputs},
        "filter": {each.name: _filter_numbers(each) for each in view.filters},
        "output": {each.name: _output_numbers(each) for each in view.outputs},
    }


def prometheus_1(view: View) -> str:
    """What `/api/v1/metrics/prometheus` has: every number of version 1, with its moment in milliseconds."""
    moment = int(view.now * 1000)
    families: dict[str, list[str]] = {}
    for kind, instances in version_1(view).items():
        for name, numbers in instances.items():
            for number, value in numbers.items():
                metric = f"fluentbit_{kind}_{number}_total"
                families.setdefault(metric, []).append(f'{metric}{{name="{_quote(name)}"}} {value} {moment}')
    lines = []
    for metric in sorted(families):
        help_ = _HELP.get(metric.removeprefix("fluentbit_").removesuffix("_total"), "Fluentbit metrics.")
        lines += [f"# HELP {metric} {help_}", f"# TYPE {metric} counter", *families[metric]]
    lines += [
        "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.",
        "# TYPE process_start_time_seconds gauge",
        f"process_start_time_seconds {int(view.started)}",
        "# HELP fluentbit_build_info Build version information.",
        "# TYPE fluentbit_build_info gauge",
        f'fluentbit_build_info{{version="{FLUENT_BIT}",edition="{EDITION}"}} 1',
    ]
    return "\n".join(lines) + "\n"


FLUENT_BIT = "5.1.1"
"""The version whose configuration and interfaces these are."""
EDITION = "pillion"


def families(view: View, hostname: str) -> list[Family]:
    """What version 2 has."""
    host: Labels = (("hostname", hostname),)
    found = [
        Family(
            name="fluentbit_uptime",
            help="Number of seconds that Fluent Bit has been running.",
            samples=((host, int(view.now - view.started)),),
        )
    ]
    for kind, instances in version_1(view).items():
        found += _instance_families(kind, instances)
    build: Labels = (*host, ("version", FLUENT_BIT), ("os", "linux"))
    started = int(view.started)
    found += [
        _gauge(
            "fluentbit_process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            host,
            started,
        ),
        _gauge("fluentbit_build_info", "Build version information.", build, started),
        _gauge(
            "fluentbit_hot_reloaded_times", "Collect the count of hot reloaded times.", host, view.reloads
        ),
    ]
    found += _storage_families(view)
    found += _own_families(view)
    return [family for family in found if family.samples]


def prometheus_2(found: Iterable[Family]) -> str:
    lines = []
    for family in found:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.type}"]
        lines += [f"{family.name}{_labels(labels)} {_number(value)}" for labels, value in family.samples]
    return "\n".join(lines) + "\n"


def text_2(found: Iterable[Family], now: float) -> str:
    """The text form of the cmetrics library: a line for each number, its moment first."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return "".join(
        f"{moment} {family.name}{_labels(labels)} = {_number(value)}\n"
        for family in found
        for labels, value in family.samples
    )


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
_HELP = {
    "input_bytes": "Number of input bytes.",
    "input_records": "Number of input records.",
    "input_files_opened": "Total number of opened files",
    "input_files_closed": "Total number of closed files",
    "input_files_rotated": "Total number of rotated files",
    "filter_records": "Total number of new records processed.",
    "filter_bytes": "Total number of new bytes processed.",
    "filter_add_records": "Total number of new added records.",
    "filter_drop_records": "Total number of dropped records.",
    "filter_emit_records": "Total number of emitted records",
    "output_proc_records": "Number of processed output records.",
    "output_proc_bytes": "Number of processed output bytes.",
    "output_errors": "Number of output errors.",
    "output_retries": "Number of output retries.",
    "output_retries_failed": "Number of abandoned batches because the maximum number of re-tries was reached.",
    "output_dropped_records": "Number of dropped records.",
    "output_retried_records": "Number of retried records.",
}


def _input_numbers(status: InputStatus) -> dict[str, int]:
    numbers = {"records": status.records, "bytes": status.bytes}
    if status.plugin == "tail":
        numbers |= {
            "files_opened": status.files_opened,
            "files_closed": status.files_closed,
            "files_rotated": status.files_rotated,
        }
    return numbers


def _filter_numbers(status: FilterStatus) -> dict[str, int]:
    numbers = {
        "drop_records": status.removed,
        "add_records": status.added,
        "records": status.records_in,
        "bytes": status.bytes_in,
    }
    if status.plugin == "rewrite_tag":
        numbers["emit_records"] = status.emitted
    return numbers


def _output_numbers(status: OutputStatus) -> dict[str, int]:
    return {
        "proc_records": status.delivered,
        "proc_bytes": status.delivered_bytes,
        "errors": status.errors,
        "retries": status.retries,
        "retries_failed": status.retries_failed,
        # Fluent Bit counts what it does not deliver, whether a dead letter is kept or not.
        "dropped_records": status.dropped + status.dead_letters + status.rejected_unseen,
        "retried_records": status.retried,
    }


def _instance_families(kind: str, instances: dict[str, dict[str, int]]) -> Iterable[Family]:
    numbers = dict.fromkeys(number for each in instances.values() for number in each)
    for number in numbers:
        yield Family(
            name=f"fluentbit_{kind}_{number}_total",
            help=_HELP.get(f"{kind}_{number}", "Fluentbit metrics."),
            samples=tuple(
                ((("name", name),), each[number]) for name, each in instances.items() if number in each
            ),
        )


def _storage_families(view: View) -> Iterable[Family]:
    inputs = view.inputs
    yield _gauge(
        "fluentbit_storage_chunks", "Total number of chunks in the storage layer.", (), view.storage.chunks
    )
    yield _gauge(
        "fluentbit_storage_fs_chunks", "Total number of chunks in the file system.", (), view.storage.chunks
    )
    yield _by_name("fluentbit_input_ingestion_paused", "Is the input paused or not?", inputs, "waiting")
    yield _by_name(
        "fluentbit_input_storage_overlimit", "Is the input memory usage overlimit ?.", inputs, "waiting"
    )
    yield _by_name(
        "fluentbit_input_storage_memory_bytes", "Memory bytes used by the chunks.", inputs, "buffered_bytes"
    )


def _own_families(view: View) -> Iterable[Family]:
    for name, help_, field, type_ in _OWN_OUTPUT:
        yield _by_name(name, help_, view.outputs, field, type_)
    for name, help_, field, type_ in _OWN_INPUT:
        yield _by_name(name, help_, view.inputs, field, type_)
    yield Family(
        name="pillion_collector_output_oldest_unsent_seconds",
        help="Age of the oldest record that is not delivered.",
        type="gauge",
        samples=tuple(((("name", each.name),), age(each, view.now)) for each in view.outputs),
    )
    yield Family(
        name="pillion_collector_input_lag_bytes",
        help="Bytes of its files that are not delivered.",
        type="gauge",
        samples=tuple(((("name", each.name),), lag_bytes(each)) for each in view.inputs if each.files),
    )
    yield Family(
        name="pillion_collector_unrouted_records_total",
        help="Records that no output takes.",
        samples=(((), view.unrouted),),
    )
    yield _gauge("pillion_collector_notices", "Things that are wrong at the moment.", (), len(view.notices))


_OWN_OUTPUT = (
    (
        "pillion_collector_output_waiting_records",
        "Records that wait for delivery.",
        "waiting_records",
        "gauge",
    ),
    ("pillion_collector_output_waiting_bytes", "Bytes that wait for delivery.", "waiting_bytes", "gauge"),
    (
        "pillion_collector_output_dead_letters_total",
        "Records kept as dead letters.",
        "dead_letters",
        "counter",
    ),
    ("pillion_collector_output_lost_records_total", "Records given up and not kept.", "dropped", "counter"),
)
_OWN_INPUT = (
    (
        "pillion_collector_input_lost_bytes_total",
        "Bytes gone before they were read.",
        "bytes_lost",
        "counter",
    ),
    ("pillion_collector_input_long_lines_total", "Lines that were split.", "long_lines", "counter"),
    ("pillion_collector_input_invalid_utf8_total", "Lines that are not UTF-8.", "invalid_utf8", "counter"),
)


def age(status: OutputStatus, now: float) -> float:
    """Seconds."""
    return 0.0 if status.oldest_unsent is None else max(0.0, now - status.oldest_unsent)


def lag_bytes(status: InputStatus) -> int:
    return sum(max(0, file.size - file.delivered_offset) for file in status.files.values())


def _gauge(name: str, help_: str, labels: Labels, value: float) -> Family:
    return Family(name=name, help=help_, type="gauge", samples=((labels, value),))


def _by_name(
    name: str, help_: str, statuses: Sequence[InputStatus | OutputStatus], field: str, type_: str = "gauge"
) -> Family:
    return Family(
        name=name,
        help=help_,
        type=type_,
        samples=tuple(((("name", each.name),), int(getattr(each, field))) for each in statuses),
    )


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{key}="{_quote(value)}"' for key, value in labels) + "}" if labels else ""


def _quote(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"
