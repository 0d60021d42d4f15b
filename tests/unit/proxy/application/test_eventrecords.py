"""Events about our own Pod: repeats are counted, a flood is bounded, and every answer has its consequence."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pillion.proxy.application.eventrecords import (
    BURST,
    MESSAGE_LIMIT,
    QUEUE,
    REFILL_SECONDS,
    REMEMBERED,
    TRIES,
    EventCounts,
    Notice,
    Pod,
    Reason,
    Recorder,
    Sending,
    Verdict,
    notice,
)
from pillion.proxy.application.incluster import api_server, pod_of
from pillion.units import Instant

POD = Pod(namespace="shop", name="agent-7", uid="u-1")
NOW = Instant(1_800_000_000.0)
REFUSED = notice(Reason.CONFIGURATION_REFUSED, "proxy.yaml:7: no")


def fresh() -> tuple[Recorder, EventCounts]:
    counts = EventCounts()
    return Recorder(counts), counts


def only(recorder: Recorder) -> Sending:
    [sending] = recorder.due(POD)
    return sending


def tree(sending: Sending) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sending.body)
    return found


def test_the_first_is_created_about_the_pod() -> None:
    recorder, _ = fresh()
    recorder.add(REFUSED, NOW)
    sending = only(recorder)
    assert (sending.method, sending.path) == ("POST", "/api/v1/namespaces/shop/events")
    event = tree(sending)
    assert event["metadata"].pop("name").startswith("agent-7.18f")
    at = "2027-01-15T08:00:00Z"
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "shop"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": "shop",
            "name": "agent-7",
            "uid": "u-1",
        },
        "type": "Warning",
        "reason": "ProxyConfigurationRefused",
        "message": "proxy.yaml:7: no",
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
        "source": {"component": "pillion-proxy"},
        "reportingComponent": "pillion-proxy",
        "reportingInstance": "",
    }


def test_a_repeat_is_counted_in_the_same_event() -> None:
    recorder, counts = fresh()
    recorder.add(REFUSED, NOW)
    created = only(recorder)
    assert recorder.judge(created, 201) is Verdict.WRITTEN
    assert recorder.is_idle
    recorder.add(REFUSED, Instant(NOW + 60))
    patch = only(recorder)
    name = tree(created)["metadata"]["name"]
    assert (patch.method, patch.path) == ("PATCH", f"/api/v1/namespaces/shop/events/{name}")
    assert tree(patch) == {"count": 2, "lastTimestamp": "2027-01-15T08:01:00Z"}
    assert recorder.judge(patch, 200) is Verdict.WRITTEN
    assert (recorder.is_idle, counts.sent) == (True, 2)


def test_a_repeat_while_the_first_is_under_way_is_told_next() -> None:
    recorder, _ = fresh()
    recorder.add(REFUSED, NOW)
    created = only(recorder)
    recorder.add(REFUSED, Instant(NOW + 1))
    recorder.judge(created, 201)
    assert tree(only(recorder))["count"] == 2


def test_two_of_one_moment_have_two_names() -> None:
    recorder, _ = fresh()
    recorder.add(REFUSED, NOW)
    recorder.add(notice(Reason.CONFIGURATION_REFUSED, "proxy.yaml:8: no"), NOW)
    names = {tree(sending)["metadata"]["name"] for sending in recorder.due(POD)}
    assert len(names) == 2


def test_the_name_of_a_pod_with_a_long_name_is_still_one() -> None:
    recorder, _ = fresh()
    recorder.add(REFUSED, NOW)
    [sending] = recorder.due(Pod(namespace="shop", name="a" * 230 + "." * 23, uid="u"))
    name = tree(sending)["metadata"]["name"]
    assert len(name) <= 253
    assert ".." not in name


@pytest.mark.parametrize(
    ("stored", "status", "verdict", "dropped"),
    [
        (False, 201, Verdict.WRITTEN, None),
        (True, 200, Verdict.WRITTEN, None),
        (False, None, Verdict.LATER, None),
        (False, 401, Verdict.LATER, None),
        (False, 429, Verdict.LATER, None),
        (True, 503, Verdict.LATER, None),
        (False, 403, Verdict.FORBIDDEN, "forbidden"),
        (True, 403, Verdict.FORBIDDEN, "forbidden"),
        (False, 422, Verdict.REFUSED, "refused"),
        (False, 404, Verdict.REFUSED, "refused"),
        (True, 404, Verdict.AGAIN, None),
        (False, 409, Verdict.AGAIN, None),
        (True, 409, Verdict.REFUSED, "refused"),
    ],
)
def test_each_answer_has_its_consequence(
    stored: bool, status: int | None, verdict: Verdict, dropped: str | None
) -> None:
    recorder, counts = fresh()
    recorder.add(REFUSED, NOW)
    if stored:
        recorder.judge(only(recorder), 201)
        recorder.add(REFUSED, NOW)
    assert recorder.judge(only(recorder), status) is verdict
    assert recorder.is_idle is (verdict is Verdict.WRITTEN or dropped is not None)
    assert dict(counts.dropped) == ({} if dropped is None else {dropped: 1})


def test_an_event_that_has_ended_begins_anew_with_its_count() -> None:
    recorder, _ = fresh()
    recorder.add(REFUSED, NOW)
    recorder.judge(only(recorder), 201)
    recorder.add(REFUSED, Instant(NOW + 7200))
    recorder.judge(only(recorder), 404)
    anew = only(recorder)
    assert (anew.method, tree(anew)["count"]) == ("POST", 2)


def test_one_that_arrived_although_no_answer_came_is_patched() -> None:
    recorder, _ = fresh()
    recorder.add(REFUSED, NOW)
    recorder.judge(only(recorder), None)
    recorder.judge(only(recorder), 409)
    assert only(recorder).method == "PATCH"


def test_what_nobody_takes_is_given_up() -> None:
    recorder, counts = fresh()
    recorder.add(REFUSED, NOW)
    verdicts = [recorder.judge(only(recorder), None) for _ in range(TRIES)]
    assert verdicts == [Verdict.LATER] * (TRIES - 1) + [Verdict.GIVEN_UP]
    assert (recorder.is_idle, dict(counts.dropped)) == (True, {"unreachable": 1})


def test_a_flood_of_repeats_is_counted_and_seldom_sent() -> None:
    recorder, counts = fresh()
    for _ in range(BURST + 10):
        recorder.add(REFUSED, NOW)
        for sending in recorder.due(POD):
            recorder.judge(sending, 200)
    assert (counts.sent, dict(counts.dropped)) == (BURST, {"rate_limited": 10})
    recorder.add(REFUSED, Instant(NOW + REFILL_SECONDS))
    assert tree(only(recorder))["count"] == BURST + 11


def test_a_clock_that_runs_backwards_gives_and_takes_nothing() -> None:
    recorder, counts = fresh()
    for second in range(BURST + 1):
        recorder.add(notice(Reason.CONFIGURATION_REFUSED, str(second)), Instant(NOW - second))
    assert counts.dropped["rate_limited"] == 1


def test_when_too_much_waits_the_oldest_goes() -> None:
    recorder, counts = fresh()
    for number in range(QUEUE + 3):
        recorder.add(notice(Reason.CONFIGURATION_REFUSED, str(number)), NOW)
    waiting = [sending.notice.message for sending in recorder.due(POD)]
    assert waiting == [str(number) for number in range(3, QUEUE + 3)]
    assert dict(counts.dropped) == {"queue_full": 3}


def test_only_so_many_sorts_are_remembered() -> None:
    recorder, _ = fresh()
    recorder.add(REFUSED, NOW)
    recorder.judge(only(recorder), 201)
    for number in range(REMEMBERED):
        recorder.add(notice(Reason.CONFIGURATION_REFUSED, str(number)), NOW)
        for sending in recorder.due(POD):
            recorder.judge(sending, 201)
    recorder.add(REFUSED, Instant(NOW + REFILL_SECONDS))
    assert only(recorder).method == "POST", "it was forgotten"


@pytest.mark.parametrize(
    ("reason", "type_"),
    [
        (Reason.CONFIGURATION_REFUSED, "Warning"),
        (Reason.CONFIGURATION_TAKEN, "Normal"),
        (Reason.CERTIFICATE_REFUSED, "Warning"),
        (Reason.CERTIFICATE_TAKEN, "Normal"),
        (Reason.CERTIFICATE_ENDING, "Warning"),
        (Reason.CERTIFICATE_EXPIRED, "Warning"),
    ],
)
def test_what_went_well_is_normal(reason: Reason, type_: str) -> None:
    assert Notice(reason, "").type == type_


KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb", "a; b"),
        (f"{KEY}\n is no path", "(a private key);  is no path"),
        (repr(KEY) + " is no path", "'(a private key)' is no path"),
        ("cut: " + KEY[:40], "cut: (a private key)"),
    ],
)
def test_a_message_is_one_line_without_keys(text: str, message: str) -> None:
    assert notice(Reason.CONFIGURATION_REFUSED, text).message == message


def test_a_long_message_is_cut_between_letters() -> None:
    message = notice(Reason.CONFIGURATION_REFUSED, "ü" * MESSAGE_LIMIT).message
    assert MESSAGE_LIMIT - 1 <= len(message.encode()) <= MESSAGE_LIMIT
    assert set(message) == {"ü", "…"}


# ── in the cluster ───────────────────────────────────────────────────────────────────────────────────────────────────
def token(claims: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'ES256'})}.{part(claims)}.c2ln"


BOUND = {"namespace": "shop", "pod": {"name": "agent-7", "uid": "u-1"}, "serviceaccount": {"name": "robot"}}


@pytest.mark.parametrize(
    ("text", "pod"),
    [
        (token({"kubernetes.io": BOUND, "sub": "system:serviceaccount:shop:robot"}), POD),
        (token({"kubernetes.io": {"namespace": "shop", "serviceaccount": {}}}), None),
        (token({"kubernetes.io/serviceaccount/namespace": "shop"}), None),
        (token([]), None),
        ("opaque", None),
        ("a.ü.c", None),
        ("a.!.c", None),
        ("", None),
    ],
)
def test_a_bound_token_says_which_pod_we_are(text: str, pod: Pod | None) -> None:
    assert pod_of(text) == pod


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}, ("10.96.0.1", 443)),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, ("fd00::1", 6443)),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "https"}, None),
        ({"KUBERNETES_SERVICE_PORT": "443"}, None),
        ({}, None),
    ],
)
def test_the_environment_says_where_the_api_server_is(
    environment: dict[str, str], place: tuple[str, int] | None
) -> None:
    found = api_server(environment)
    assert (None if found is None else (found.host, found.port)) == place
