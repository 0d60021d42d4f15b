"""The sidecar's own metrics, behind Envoy's on the same page. Pure: what the kernel says is handed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from pillion import __version__
from pillion.proxy.application.state import CONFIGURATION, State

Labels = tuple[tuple[str, str], ...]


class ProcessFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of the supervisor or of Envoy."""

    resident_bytes: int
    cpu_seconds: float


def write_page(state: State, processes: Mapping[str, ProcessFigures]) -> bytes:
    """In Prometheus' text format 0.0.4."""
    lines: list[str] = []
    for name, kind, help_text, samples in _families(state, processes):
        if not samples:
            continue
        lines += (f"# HELP {name} {help_text}", f"# TYPE {name} {kind}")
        lines += (f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples.items())
    return ("\n".join(lines) + "\n").encode()


def _families(
    state: State, processes: Mapping[str, ProcessFigures]
) -> Iterator[tuple[str, str, str, Mapping[Labels, float]]]:
    outcomes = state.certificates
    yield (
        "pillion_proxy_build_info",
        "gauge",
        "1, with the version of pillion.",
        {(("version", __version__),): 1},
    )
    yield (
        "pillion_proxy_config_last_reload_successful",
        "gauge",
        "Whether the latest attempt to take the configuration was successful.",
        {(): state.configuration.is_successful},
    )
    yield (
        "pillion_proxy_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When a configuration was taken last.",
        {(): state.configuration.successful_at},
    )
    yield (
        "pillion_proxy_certificate_last_reload_successful",
        "gauge",
        "Whether the latest attempt to take a certificate was successful.",
        {(("certificate", name),): outcome.is_successful for name, outcome in outcomes.items()},
    )
    yield (
        "pillion_proxy_certificate_last_reload_success_timestamp_seconds",
        "gauge",
        "When a certificate was taken last.",
        {(("certificate", name),): outcome.successful_at for name, outcome in outcomes.items()},
    )
    yield (
        "pillion_proxy_certificate_not_before_timestamp_seconds",
        "gauge",
        "From when the certificate that is served is valid.",
        {(("certificate", name),): leaf.not_before for name, leaf in state.leafs.items()},
    )
    yield (
        "pillion_proxy_certificate_not_after_timestamp_seconds",
        "gauge",
        "Until when the certificate that is served is valid.",
        {(("certificate", name),): leaf.not_after for name, leaf in state.leafs.items()},
    )
    kinds = (CONFIGURATION, *outcomes)
    yield (
        "pillion_proxy_updates_total",
        "counter",
        "Updates that were taken while serving.",
        {_what(what): state.updates[what] for what in kinds},
    )
    yield (
        "pillion_proxy_updates_rejected_total",
        "counter",
        "Updates that were refused, while what was there went on serving.",
        {(*_what(what), ("reason", reason)): count for (what, reason), count in state.rejected.items()},
    )
    yield (
        "pillion_proxy_draining",
        "gauge",
        "Whether clients are told to go.",
        {(): state.is_draining},
    )
    yield (
        "pillion_proxy_access_log_rotations_total",
        "counter",
        "How often the access log was renamed.",
        {(): state.rotations},
    )
    yield (
        "pillion_proxy_access_log_reopenings_total",
        "counter",
        "How often the access log was begun anew, as its file had been taken away.",
        {(): state.reopenings},
    )
    yield (
        "pillion_proxy_access_log_writable",
        "gauge",
        "Whether the lines of the access log reach its file.",
        {(): not state.access_log_fault} if state.serving.access_log is not None else {},
    )
    yield (
        "pillion_proxy_events_sent_total",
        "counter",
        "Kubernetes Events about this Pod that were written, repeats included.",
        {(): state.events.sent},
    )
    yield (
        "pillion_proxy_events_dropped_total",
        "counter",
        "Kubernetes Events about this Pod that were not written.",
        {(("reason", reason),): count for reason, count in state.events.dropped.items()},
    )
    yield (
        "pillion_proxy_start_time_seconds",
        "gauge",
        "When the sidecar began.",
        {(): state.started},
    )
    yield (
        "pillion_proxy_resident_memory_bytes",
        "gauge",
        "Resident memory of the supervisor and of Envoy.",
        {(("process", name),): figures.resident_bytes for name, figures in processes.items()},
    )
    yield (
        "pillion_proxy_cpu_seconds_total",
        "counter",
        "User and system CPU time of the supervisor and of Envoy.",
        {(("process", name),): figures.cpu_seconds for name, figures in processes.items()},
    )


def _what(what: str) -> Labels:
    if what == CONFIGURATION:
        return (("kind", CONFIGURATION),)
    return (("kind", "certificate"), ("certificate", what))


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
