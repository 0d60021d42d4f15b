"""Kubernetes Events (pkg/kubelet/container/ref.go; client-go tools/record)."""

from __future__ import annotations

import pytest
from tests.unit.lifecycle.builders import container, init, main, pod, sidecar
from tests.unit.status.builders import pod_object

from pillion.lifecycle import EventNote
from pillion.plan.podplan import Role
from pillion.status import build_event, field_path, repeat, same
from pillion.units import Instant

PLAN = pod(init("i"), sidecar("s"), main("m"), container("debug", Role.EPHEMERAL))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("i", "spec.initContainers{i}"),
        ("s", "spec.initContainers{s}"),
        ("m", "spec.containers{m}"),
        ("debug", "spec.ephemeralContainers{debug}"),
        (None, None),
    ],
)
def test_an_event_about_a_container_names_its_place_in_the_spec(name: str | None, path: str | None) -> None:
    assert field_path(PLAN, name) == path


def test_an_event_names_the_pod_and_the_node() -> None:
    note = EventNote(type="Normal", reason="Killing", message="Stopping container m", container="m")
    event = build_event(pod_object(PLAN), PLAN, note, node="node-1", now=Instant(12.5))
    ref = event.involvedObject
    assert (ref.kind, ref.namespace, ref.name, ref.uid, ref.fieldPath) == (
        "Pod",
        "ns",
        "p",
        "u1",
        "spec.containers{m}",
    )
    assert (event.type, event.reason, event.message, event.count) == ("Normal", "Killing", note.message, 1)
    assert event.source is not None
    assert (event.source.component, event.source.host, event.reportingComponent) == (
        "kubelet",
        "node-1",
        "kubelet",
    )


def test_a_repeated_event_is_counted_and_a_different_one_is_not() -> None:
    def built(message: str, at: float) -> object:
        note = EventNote(type="Warning", reason="BackOff", message=message, container="m")
        return build_event(pod_object(PLAN), PLAN, note, node="node-1", now=Instant(at))

    first = build_event(
        pod_object(PLAN), PLAN, EventNote(type="Warning", reason="BackOff", message="x", container="m"),
        node="node-1", now=Instant(1),
    )  # fmt: skip
    assert same(first, built("x", 5))  # type: ignore[arg-type]
    assert not same(first, built("y", 5))  # type: ignore[arg-type]
    repeat(first, Instant(5))
    assert first.firstTimestamp is not None
    assert first.lastTimestamp is not None
    assert (first.count, first.lastTimestamp.timestamp() - first.firstTimestamp.timestamp()) == (2, 4)
