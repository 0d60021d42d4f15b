"""The stackdriver output against entries.write, a token endpoint and a metadata server."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.collector.outputs.surroundings import NOW, StandingClock, Surroundings

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.network.google import GoogleSettings
from pillion.collector.outputs.logentry import Projects
from pillion.collector.outputs.logentry import entries as log_entries
from pillion.collector.outputs.monitoredresource import resource_of
from pillion.collector.outputs.stackdriver import StackdriverSettings, build, dialect
from pillion.collector.plugin import Again, Delivered, Refused, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_records, as_texts
from pillion.testing.destinations.peer import Reply, json_reply
from pillion.testing.destinations.stackdriver import StackdriverServer

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME = 1_700_000_000_123_456_789
STAMP = "2023-11-14T22:13:20.123456789Z"
LINES = Lines(data=b"first\nsecond\n", time=TIME)
GOOGLE = "logging.googleapis.com/"
FACTS = {"project_id": "p"}


@pytest.fixture
def server() -> Iterator[StackdriverServer]:
    with StackdriverServer() as peer:
        yield peer


@pytest.fixture(scope="module")
def key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def settings_of(server: StackdriverServer, **settings: Any) -> StackdriverSettings:
    url = f"http://{server.host}:{server.port}"
    google = settings.pop("google", {})
    return StackdriverSettings(
        cloud_logging_base_url=url, google=GoogleSettings(metadata_server=url, **google), **settings
    )


def deliver(server: StackdriverServer, content: Content, **settings: Any) -> Verdict:
    output = build(settings_of(server, **settings), Surroundings())
    try:
        return output.deliver("app", content)
    finally:
        output.close()


def entries(content: Content, **settings: Any) -> list[Any]:
    shape = dialect(StackdriverSettings(**settings)).entry
    text, _ = log_entries(shape, Projects("p", "p"), "app", content)
    return json.loads(b"[" + text + b"]")  # type: ignore[no-any-return]


def entry(body: dict[str, Any], **settings: Any) -> Any:
    [found] = entries(Records(times=[TIME], bodies=[body]), **settings)
    assert found.pop("logName") == "projects/p/logs/app"
    assert found.pop("timestamp") == STAMP
    return found


def labels(tag: str, body: dict[str, Any] | None = None, **settings: Any) -> Any:
    settings = {"resource": "k8s_container", "k8s_cluster_name": "c", "k8s_cluster_location": "l", **settings}
    content = Records(times=[TIME], bodies=[body or {"log": "x"}])
    found = resource_of(dialect(StackdriverSettings(**settings)).resource, FACTS, tag, content)
    assert found["type"] == settings["resource"]
    return found["labels"]


# ── entries ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_record_is_a_payload() -> None:
    assert entries(LINES, labels=("a=b",)) == [
        {
            "jsonPayload": {"log": line},
            "logName": "projects/p/logs/app",
            "labels": {"a": "b"},
            "timestamp": STAMP,
        }
        for line in ("first", "second")
    ]


def test_a_single_text_may_be_the_payload() -> None:
    found = entries(LINES, text_payload_key="log")
    assert [each["textPayload"] for each in found] == ["first", "second"]
    assert entry({"log": "x", "stream": "stdout"}, text_payload_key="log") == {"textPayload": "x"}
    assert entry({"log": "x", "n": 1}, text_payload_key="log") == {"jsonPayload": {"log": "x", "n": 1}}
    assert entry({"log": 1}, text_payload_key="log") == {"jsonPayload": {"log": 1}}


@pytest.mark.parametrize(
    ("word", "number"),
    [("error", 500), ("WARN", 400), ("F", 600), ("finest", 100), ("default", 0), ("loud", None), (3, None)],
)
def test_a_severity_has_a_number(word: object, number: int | None) -> None:
    found = entry({"level": word, "m": 1}, severity_key="level")
    assert found == {"jsonPayload": {"m": 1}} | ({} if number is None else {"severity": number})


def test_traces_ids_and_labels_leave_the_payload() -> None:
    body = {
        GOOGLE + "trace": "t", GOOGLE + "spanId": "s", GOOGLE + "traceSampled": False, GOOGLE + "insertId": "i",
        GOOGLE + "labels": {"n": 1, "a": "payload"}, "m": 1,
    }  # fmt: skip
    assert entry(body, autoformat_stackdriver_trace=True, labels=("a=b",)) == {
        "trace": "projects/p/traces/t", "spanId": "s", "traceSampled": False, "insertId": "i",
        "labels": {"n": "1", "a": "b"}, "jsonPayload": {"m": 1},
    }  # fmt: skip


def test_structures_are_taken_apart() -> None:
    body = {
        GOOGLE + "operation": {"id": "o", "first": True, "more": 1},
        GOOGLE + "sourceLocation": {"file": "f.py", "line": "12", "function": 5},
        GOOGLE + "http_request": {"latency": " 1.5 s", "status": 200, "cacheHit": True, "protocol": "h2"},
    }
    assert entry(body) == {
        "operation": {"id": "o", "first": True},
        "sourceLocation": {"file": "f.py", "line": 12},
        "httpRequest": {"latency": "1.5s", "status": 200, "cacheHit": True, "protocol": "h2"},
        "jsonPayload": {GOOGLE + "operation": {"more": 1}},
    }


def test_a_record_may_say_its_time_and_its_log() -> None:
    [found] = entries(
        Records(
            times=[TIME],
            bodies=[
                {
                    "timestamp": {"seconds": 1, "nanos": 5},
                    GOOGLE + "logName": "run/x%2Fy",
                    GOOGLE + "projectId": "q",
                }
            ],
        )
    )
    assert found == {
        "logName": "projects/q/logs/run%2Fx%2Fy", "timestamp": "1970-01-01T00:00:01.000000005Z", "jsonPayload": {},
    }  # fmt: skip
    [found] = entries(
        Records(times=[TIME], bodies=[{"timestampSeconds": "2", "timestampNanos": "7", "timestamp": "x"}])
    )
    assert found["timestamp"] == "1970-01-01T00:00:02.000000007Z"
    assert found["jsonPayload"] == {"timestamp": "x"}


def test_a_container_s_stream_is_its_log() -> None:
    for stream, name in (("stderr", "stderr"), ("other", "app")):
        [found] = entries(
            Records(times=[TIME], bodies=[{"stream": stream}]),
            resource="k8s_cluster",
            k8s_cluster_name="c",
            k8s_cluster_location="l",
        )
        assert found["logName"] == f"projects/p/logs/{name}"


special = [GOOGLE + name for name in ("insertId", "labels", "severity", "operation", "spanId")]
values = (
    st.none() | st.integers(-9, 9) | st.text(max_size=4) | st.dictionaries(st.just("id"), st.text(max_size=2))
)
bodies = st.lists(
    st.dictionaries(st.sampled_from(["log", "m", "stream", "timestamp", *special]), values, max_size=4),
    min_size=1,
    max_size=4,
)


@given(bodies)
def test_the_form_of_a_chunk_makes_no_difference(found: list[dict[str, Any]]) -> None:
    records = Records(times=[TIME + number for number in range(len(found))], bodies=found)
    for settings in ({}, {"text_payload_key": "log", "labels": ("a=b",)}):
        assert entries(records, **settings) == entries(as_texts(records), **settings)
        assert entries(LINES, **settings) == entries(as_records(LINES), **settings)


# ── resources ────────────────────────────────────────────────────────────────────────────────────────────────────────
CONTAINER = {
    "project_id": "p", "location": "l", "cluster_name": "c", "namespace_name": "ns", "pod_name": "pod",
    "container_name": "main.1",
}  # fmt: skip


def test_a_tag_says_which_container_it_is() -> None:
    assert labels("k8s_container.ns.pod.main.1") == CONTAINER
    docker = "0" * 64
    tag = f"k8s_container.var.log.pod-1.2_ns_main-{docker}.log"
    assert labels(tag) == CONTAINER | {"pod_name": "var.log.pod-1.2", "container_name": "main"}


def test_a_record_may_say_which_container_it_is() -> None:
    body = {GOOGLE + "local_resource_id": "k8s_container.ns.pod.main.1"}
    assert labels("app", body) == CONTAINER
    assert labels("app", {GOOGLE + "monitored_resource": {"labels": {"a": "b", "n": 1}}}) == {"a": "b"}


def test_nodes_pods_and_other_prefixes() -> None:
    assert labels("kube.ns.pod.x", resource="k8s_pod", tag_prefix="kube.")["pod_name"] == "pod.x"
    assert labels("k8s_node.a.b", resource="k8s_node")["node_name"] == "a.b"
    regex = r"^(?<node_name>\w+)!$"
    assert labels("k8s_node.n!", resource="k8s_node", custom_k8s_regex=regex)["node_name"] == "n"


@pytest.mark.parametrize("tag", ["app", "k8s_container.ns.pod", "k8s_container.ns..main"])
def test_a_tag_that_says_nothing_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match=r"k8s_container\."):
        labels(tag)


def test_labels_may_be_chosen() -> None:
    chosen = ("cluster_name=c", "location=$where['zone']", "pod_name=$missing")
    assert labels("app", {"where": {"zone": "z"}}, resource_labels=chosen) == {
        "cluster_name": "c", "location": "z", "project_id": "p",
    }  # fmt: skip
    task: dict[str, Any] = {
        "resource": "generic_task", "location": "l", "namespace": "n", "job": "j", "task_id": "t",
        "resource_labels": ("job=x",),
    }  # fmt: skip
    assert labels("app", **task) == {
        "job": "j", "task_id": "t", "project_id": "p", "location": "l", "namespace": "n",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"resource": "k8s_pod"}, "f:1: resource: k8s_pod needs k8s_cluster_location, k8s_cluster_name"),
        ({"resource": "generic_node", "node_id": "n"}, "generic_node needs location, namespace"),
        ({"labels": ("a",)}, "f:1: labels: 'a' is not name=value"),
        ({"resource_labels": ("a=$x[",)}, "f:1: resource_labels: "),
    ],
)
def test_what_is_missing_is_said(settings: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        dialect(StackdriverSettings(place="f:1", **settings))


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_metadata_server_says_who_we_are(server: StackdriverServer) -> None:
    assert deliver(server, LINES, resource="gce_instance", compress="gzip") == Delivered()
    assert [each["jsonPayload"]["log"] for each in server.entries] == ["first", "second"]
    assert server.resources == [
        {"type": "gce_instance",
         "labels": {"project_id": "the-project", "zone": "europe-west1-b", "instance_id": "42"}}
    ]  # fmt: skip


def test_a_key_file_says_who_we_are(server: StackdriverServer, key: str, tmp_path: Path) -> None:
    url = f"http://{server.host}:{server.port}/token"
    account = {"type": "service_account", "client_email": "me@x", "private_key": key, "project_id": "mine"}
    (tmp_path / "key.json").write_text(json.dumps(account | {"token_uri": url}))
    settings = settings_of(server, google={"key_file": "key.json"}, export_to_project_id="theirs")
    output = build(settings, Surroundings(tmp_path))
    assert output.deliver("app", LINES) == Delivered()
    output.close()
    [assertion] = server.assertions
    claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
    assert claims == {
        "iss": "me@x", "scope": "https://www.googleapis.com/auth/logging.write", "aud": url, "iat": int(NOW),
        "exp": int(NOW) + 3600,
    }  # fmt: skip
    assert server.resources == [{"type": "global", "labels": {"project_id": "mine"}}]
    assert {each["logName"] for each in server.entries} == {"projects/theirs/logs/app"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not the JSON of a service account's key"),
        ('{"type":"authorized_user"}', "of type authorized_user"),
        ('{"client_email":"e"}', "no client_email or no private_key"),
    ],
)
def test_a_key_file_that_is_none_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "key.json").write_text(text)
    google = GoogleSettings(key_file="key.json")
    with pytest.raises(ConfigurationError, match=said):
        build(StackdriverSettings(place="f:1", google=google), Surroundings(tmp_path))


def test_a_key_that_cannot_sign_is_no_answer_and_not_shown(server: StackdriverServer) -> None:
    google = {"email": "me@x", "private_key": "s3cret"}
    verdict = deliver(server, LINES, google=google)
    assert verdict == Again(reason="the private_key of the Google credentials cannot be used")
    assert "s3cret" not in repr(settings_of(server, google=google))


def test_a_token_is_kept_until_it_ends_or_is_not_accepted(server: StackdriverServer) -> None:
    surroundings = Surroundings()
    clock = StandingClock()
    surroundings.clock = clock
    output = build(settings_of(server), surroundings)
    for _ in range(2):
        assert output.deliver("app", LINES) == Delivered()
    assert server.tokens == 1
    clock.time += 3600
    assert output.deliver("app", LINES) == Delivered()
    assert server.tokens == 2
    server.accepts = "another"
    assert output.deliver("app", LINES) == Delivered()
    assert server.tokens == 3
    output.close()


def test_a_metadata_server_that_is_away_is_again(server: StackdriverServer) -> None:
    server.facts.clear()
    verdict = deliver(server, LINES)
    assert verdict == Again(reason="Google's metadata server does not say project/project-id: HTTP 404")
    assert server.entries == []


def test_only_entries_that_are_wrong_are_dead_letters(server: StackdriverServer) -> None:
    long = b"z" * 300_000 + b"\n"
    verdict = deliver(server, Lines(data=b"a\n" + long + b"b\n", time=TIME))
    assert isinstance(verdict, Delivered)
    [(reason, part)] = verdict.rejected
    assert reason.startswith("HTTP 400: Log entry with size 293")
    assert part == Lines(data=long, time=TIME)
    assert [each["jsonPayload"]["log"] for each in server.entries] == ["a", "b"]


def test_what_cannot_be_an_entry_is_a_dead_letter(server: StackdriverServer) -> None:
    found: list[dict[str, Any]] = [{"m": 1}, {GOOGLE + "insertId": ""}, {GOOGLE + "labels": "x"}]
    verdict = deliver(server, Records(times=[TIME] * 3, bodies=found))
    assert verdict == Delivered(
        rejected=(
            (f"its {GOOGLE}insertId is not a text, or is empty", Records(times=[TIME], bodies=[found[1]])),
            (f"its {GOOGLE}labels is not a map", Records(times=[TIME], bodies=[found[2]])),
        )
    )
    assert [each["jsonPayload"] for each in server.entries] == [{"m": 1}]


def test_entries_that_google_could_not_write_now_remain(server: StackdriverServer) -> None:
    errors = {"0": {"code": 8, "message": "quota"}, "1": {"code": 3, "message": "bad"}}
    detail = {
        "@type": "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors",
        "logEntryErrors": errors,
    }
    assert deliver(server, LINES) == Delivered()
    server.plan(
        Reply(body=b"the-project"),
        json_reply({"access_token": "t"}),
        json_reply({"error": {"message": "quota", "details": [detail]}}, status=429),
    )
    verdict = deliver(server, Texts(data=b'{"n":0}\n{"n":1}\n{"n":2}\n', times=TIME))
    assert verdict == Again(
        reason="HTTP 429: quota",
        remaining=Texts(data=b'{"n":0}\n', times=TIME),
        rejected=(("HTTP 429: bad", Texts(data=b'{"n":1}\n', times=TIME)),),
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (403, Again), (404, Refused), (429, Again), (500, Again), (503, Again)],
)
def test_the_status_decides_about_all_of_it(
    server: StackdriverServer, status: int, kind: type[Verdict]
) -> None:
    server.plan(
        Reply(body=b"the-project"),
        json_reply({"access_token": "t"}),
        json_reply({"error": {"message": "why", "status": "X"}}, status=status),
    )
    verdict = deliver(server, LINES)
    assert isinstance(verdict, kind)
    assert getattr(verdict, "reason", "") == f"HTTP {status}: why"


def test_a_tag_without_labels_is_refused_not_lost(server: StackdriverServer) -> None:
    settings = {"resource": "k8s_pod", "k8s_cluster_name": "c", "k8s_cluster_location": "l"}
    verdict = deliver(server, LINES, **settings)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "resource k8s_pod: tag_prefix k8s_pod. is not what app begins with"
