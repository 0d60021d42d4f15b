"""What Envoy does when callers take more than it has: connections, and memory. Pure.

Ten connections of a hundred streams whose answers nobody reads hold 100 MB. Without a limit of its own Envoy takes that
until the kernel kills it, and everybody's requests with it. Source: Envoy's documentation, "Overload manager" and
"Configuring Envoy as an edge proxy".
"""

from __future__ import annotations

from pillion.proxy.xds.messages import extension, typed
from pillion.proxy.xds.snapshot import Resource

MAX_CONNECTIONS = 10_000
"""Of all inbound listeners together; more are closed at once. Envoy's admin and outbounds are not counted."""
_HEAP = "envoy.resource_monitors.fixed_heap"
_SHRINK = 0.75
"""Of the heap: what is free is given back to the kernel, which otherwise would go on counting it."""
_GIVE_UP = {"scaling_threshold": 0.8, "saturation_threshold": 1.0}
"""In between, more and more of the streams that hold the most memory are reset, and time limits become shorter. Envoy
resets when the share changes (worker_impl.cc); what holds all of it at once and stands still is left to the limits."""
_REFUSE = 0.98
"""New requests get 503."""
_TRACKED_BYTES_POWER = 11
"""Of the eight sizes that are told apart, each twice the last, the first is 2 KiB (2 to this power): those of 128 KiB
go at an eighth of the way, those of 64 KiB, which one whose answer nobody reads has at least, at a quarter."""
_LEAST_IDLE = {"value": 5}
"""Percent of a stream's idle timeout that remain in the end: 15 s of 300."""


def connections() -> Resource:
    """An OverloadManager that counts connections."""
    return {
        "resource_monitors": [
            extension(
                "envoy.resource_monitors.global_downstream_max_connections",
                "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=MAX_CONNECTIONS,
            )
        ]
    }


def within(manager: Resource, heap_bytes: int) -> Resource:
    """With a limit to the heap."""
    heap = extension(
        _HEAP,
        "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
        max_heap_size_bytes=heap_bytes,
    )
    return {
        **manager,
        # Instead of a second, in which a gigabyte can come.
        "refresh_interval": "0.1s",
        "resource_monitors": [*manager["resource_monitors"], heap],
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": _TRACKED_BYTES_POWER},
        "actions": [
            _action("shrink_heap", threshold={"value": _SHRINK}),
            _action("reset_high_memory_stream", scaled=_GIVE_UP),
            {
                **_action("reduce_timeouts", scaled=_GIVE_UP),
                "typed_config": typed(
                    "envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
                    timer_scale_factors=[{"timer": "HTTP_DOWNSTREAM_STREAM_IDLE", "min_scale": _LEAST_IDLE}],
                ),
            },
            _action("stop_accepting_requests", threshold={"value": _REFUSE}),
        ],
    }


def _action(name: str, **trigger: Resource) -> Resource:
    return {"name": f"envoy.overload_actions.{name}", "triggers": [{"name": _HEAP, **trigger}]}
