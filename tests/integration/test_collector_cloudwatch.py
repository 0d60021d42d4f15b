"""The cloudwatch_logs output against moto's CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from moto.server import ThreadedMotoServer
from tests.unit.collector.outputs.surroundings import Surroundings

from pillion.collector.outputs.cloudwatch import CloudwatchSettings, build
from pillion.collector.plugin import Again, Delivered, Verdict
from pillion.collector.records import Content, Lines, Texts

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600 * 10**9


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def deliver(endpoint: str, content: Content, **settings: Any) -> Verdict:
    settings = {
        "region": "eu-west-1", "log_group_name": "agents", "log_stream_prefix": "kube.", "auto_create_group": True,
        "log_retention_days": 7, "log_key": "log", **settings,
    }  # fmt: skip
    output = build(CloudwatchSettings(endpoint=endpoint, **settings), Surroundings())
    try:
        return output.deliver("app", content)
    finally:
        output.close()


def client(endpoint: str) -> Any:
    import botocore.session

    return botocore.session.Session().create_client("logs", region_name="eu-west-1", endpoint_url=endpoint)


def now() -> int:
    import datetime

    return int(datetime.datetime.now(datetime.UTC).timestamp() * 1e9)


def test_group_and_stream_are_made_when_they_are_missing(endpoint: str) -> None:
    lines = Lines(data=b"".join(b"line %d\n" % number for number in range(12_000)), time=now())
    assert deliver(endpoint, lines) == Delivered()
    logs = client(endpoint)
    [group] = logs.describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("agents", 7)
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(
            logGroupName="agents", logStreamName="kube.app", startFromHead=True, limit=10_000, **token
        )
        if not page["events"]:
            break
        found += [event["message"] for event in page["events"]]
        token = {"nextToken": page["nextForwardToken"]}
    assert sorted(found) == sorted(f"line {number}" for number in range(12_000))
    assert deliver(endpoint, Lines(data=b"again\n", time=now())) == Delivered()


def test_a_group_that_is_missing_is_said(endpoint: str) -> None:
    verdict = deliver(
        endpoint, Lines(data=b"x\n", time=now()), log_group_name="other", auto_create_group=False
    )
    assert isinstance(verdict, Again)
    assert verdict.reason == "there is no log group other: create it, or write `auto_create_group on`"


def test_an_event_that_is_too_new_is_rejected_alone(endpoint: str) -> None:
    """moto counts those that are too old in another way than AWS' documentation, which the unit tests follow."""
    present = now()
    content = Texts(data=b'{"log":"now"}\n{"log":"new"}\n', times=[present, present + 3 * HOUR])
    verdict = deliver(endpoint, content, log_stream_prefix="ages.")
    assert isinstance(verdict, Delivered)
    assert [part for _, part in verdict.rejected] == [
        Texts(data=b'{"log":"new"}\n', times=[present + 3 * HOUR])
    ]
