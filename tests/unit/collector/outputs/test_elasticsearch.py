"""The es and opensearch outputs against a server that answers for each document."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.collector.outputs.surroundings import Surroundings

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.network.authorization import BasicSettings
from pillion.collector.outputs import elasticsearch, opensearch
from pillion.collector.outputs.bulk import BulkSettings
from pillion.collector.outputs.elasticsearch import ElasticsearchSettings, cloud_address, dialect
from pillion.collector.outputs.opensearch import OpensearchSettings
from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_records, as_texts
from pillion.testing.destinations.elasticsearch import ElasticsearchServer
from pillion.testing.destinations.peer import Accepted, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME = 1_700_000_000_123_456_789
DAY = 86_400_000_000_000
NOW = 1_768_000_000.0
LINES = Lines(data=b"first\nsecond\n", time=TIME)


@pytest.fixture
def server() -> Iterator[ElasticsearchServer]:
    with ElasticsearchServer() as peer:
        yield peer


def es(server: ElasticsearchServer, **settings: object) -> ElasticsearchSettings:
    settings = {"suppress_type_name": True, **settings}
    return ElasticsearchSettings(host=server.host, port=server.port, **settings)  # type: ignore[arg-type]


def deliver(settings: BulkSettings, content: Content, tag: str = "app") -> Verdict:
    output = elasticsearch.build(settings, Surroundings())
    try:
        return output.deliver(tag, content)
    finally:
        output.close()


def bulk(content: Content, settings: BulkSettings | None = None, tag: str = "app") -> list[Any]:
    """The lines of a request."""
    text = dialect(settings or ElasticsearchSettings()).bulk(tag, content, NOW)
    return [json.loads(line) for line in text.splitlines()]


STAMP = "2023-11-14T22:13:20.123Z"


def test_a_record_is_an_action_and_a_document() -> None:
    assert dialect(ElasticsearchSettings()).bulk("app", LINES, NOW) == (
        b'{"create":{"_index":"fluent-bit","_type":"_doc"}}\n'
        b'{"@timestamp":"2023-11-14T22:13:20.123Z","log":"first"}\n'
        b'{"create":{"_index":"fluent-bit","_type":"_doc"}}\n'
        b'{"@timestamp":"2023-11-14T22:13:20.123Z","log":"second"}\n'
    )


@pytest.mark.parametrize(
    ("settings", "action", "document"),
    [
        ({"suppress_type_name": True}, {"create": {"_index": "fluent-bit"}}, None),
        ({"write_operation": "index", "index": "i", "type": "t"}, {"index": {"_index": "i", "_type": "t"}}, None),
        ({"index": "app-%Y.%m"}, {"create": {"_index": "app-2026.01", "_type": "_doc"}}, None),
        ({"logstash_format": True}, {"create": {"_index": "logstash-2023.11.14", "_type": "_doc"}}, None),
        ({"logstash_format": True, "logstash_prefix": "p", "logstash_prefix_separator": "_",
          "logstash_dateformat": "%Y"},
         {"create": {"_index": "p_2023", "_type": "_doc"}}, None),
        ({"logstash_format": True, "current_time_index": True},
         {"create": {"_index": "logstash-2026.01.09", "_type": "_doc"}},
         {"@timestamp": "2026-01-09T23:06:40.000Z", "log": "first"}),
        ({"time_key": "t", "time_key_format": "%H:%M", "time_key_nanos": True}, None,
         {"t": "22:13.123456789Z", "log": "first"}),
        ({"include_tag_key": True}, None, {"@timestamp": STAMP, "flb-key": "app", "log": "first"}),
        ({"include_tag_key": True, "tag_key": "tag"}, None, {"@timestamp": STAMP, "tag": "app", "log": "first"}),
        ({"write_operation": "update", "id_key": "log", "suppress_type_name": True},
         {"update": {"_index": "fluent-bit", "_id": "first"}}, {"doc": {"@timestamp": STAMP, "log": "first"}}),
        ({"write_operation": "upsert", "id_key": "$log", "suppress_type_name": True},
         {"update": {"_index": "fluent-bit", "_id": "first"}},
         {"doc_as_upsert": True, "doc": {"@timestamp": STAMP, "log": "first"}}),
    ],
)  # fmt: skip
def test_keys_shape_actions_and_documents(
    settings: dict[str, Any], action: dict[str, Any] | None, document: dict[str, Any] | None
) -> None:
    first = bulk(LINES, ElasticsearchSettings(**settings))[:2]
    assert first[0] == (action or first[0])
    assert first[1] == (document or {"@timestamp": STAMP, "log": "first"})


def test_each_record_goes_to_the_index_of_its_day() -> None:
    texts = Texts(data=b'{"n":1}\n{}\n{"n":3}\n', times=[TIME, TIME + DAY, TIME])
    lines = bulk(texts, ElasticsearchSettings(logstash_format=True, suppress_type_name=True))
    assert [line["create"]["_index"] for line in lines[::2]] == [
        "logstash-2023.11.14", "logstash-2023.11.15", "logstash-2023.11.14",
    ]  # fmt: skip
    assert lines[1::2] == [
        {"@timestamp": STAMP, "n": 1}, {"@timestamp": "2023-11-15T22:13:20.123Z"}, {"@timestamp": STAMP, "n": 3},
    ]  # fmt: skip


def test_the_prefix_may_be_in_the_record() -> None:
    records = Records(times=[TIME] * 3, bodies=[{"k": {"app": "a"}}, {"k": 1}, {"k": {"app": "x" * 200}}])
    lines = bulk(
        records, ElasticsearchSettings(logstash_format=True, logstash_prefix_key="$k['app']", suppress_type_name=True)
    )  # fmt: skip
    assert [line["create"]["_index"].removesuffix("-2023.11.14") for line in lines[::2]] == [
        "a", "logstash", "x" * 128,
    ]  # fmt: skip


def test_the_target_index_is_of_the_records_that_have_its_fields() -> None:
    records = Records(times=[TIME] * 2, bodies=[{"app": "web"}, {"other": 1}])
    settings = ElasticsearchSettings(target_index="logs-$app", index="rest-%Y", suppress_type_name=True)
    assert [line["create"]["_index"] for line in bulk(records, settings)[::2]] == ["logs-web", "rest-2026"]


def test_opensearch_takes_the_index_from_the_record() -> None:
    records = Records(times=[TIME] * 2, bodies=[{"team": "red"}, {"team": "blue"}])
    settings = OpensearchSettings(index="logs.$team.$TAG[1]", suppress_type_name=True)
    lines = bulk(records, settings, tag="kube.pod")
    assert [line["create"]["_index"] for line in lines[::2]] == ["logs.red.pod", "logs.blue.pod"]
    assert opensearch.PLUGIN.name == "opensearch"


def test_a_member_that_the_record_has_is_there_once_and_is_the_records() -> None:
    texts = Texts(data=b'{"a":1}\n{"@timestamp":"mine","flb-key":"k"}\n', times=[TIME, TIME])
    text = dialect(ElasticsearchSettings(include_tag_key=True)).bulk("app", texts, NOW)
    assert text.count(b"@timestamp") == 2
    assert [json.loads(line) for line in text.splitlines()[1::2]] == [
        {"@timestamp": STAMP, "flb-key": "app", "a": 1}, {"@timestamp": "mine", "flb-key": "k"},
    ]  # fmt: skip


def test_dots_can_be_replaced_at_every_depth() -> None:
    records = Records(times=[TIME], bodies=[{"a.b": {"c.d": 1}, "l": [{"e.f": 2}]}])
    assert bulk(records, ElasticsearchSettings(replace_dots=True))[1] == {
        "@timestamp": STAMP, "a_b": {"c_d": 1}, "l": [{"e_f": 2}],
    }  # fmt: skip
    assert records.bodies == [{"a.b": {"c.d": 1}, "l": [{"e.f": 2}]}], "others have the same content"


@pytest.mark.parametrize(
    "settings", [{}, {"logstash_format": True, "include_tag_key": True}, {"generate_id": True}]
)
def test_the_form_of_a_chunk_makes_no_difference(settings: dict[str, Any]) -> None:
    for content in (
        LINES,
        Texts(data=b'{"a":"\\u00e9"}\n{}\n{"@timestamp":1}\n', times=[TIME, TIME + DAY, TIME]),
    ):
        forms = [content, as_texts(content), as_records(content)]
        sent = [bulk(form, ElasticsearchSettings(**settings)) for form in forms]
        assert sent[0][1::2] == sent[1][1::2] == sent[2][1::2]
        assert [next(iter(line.values()))["_index"] for line in sent[0][::2]] == [
            next(iter(line.values()))["_index"] for line in sent[2][::2]
        ]


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_documents_arrive(server: ElasticsearchServer) -> None:
    assert deliver(es(server, compress="gzip"), LINES) == Delivered()
    assert [document["log"] for document in server.documents] == ["first", "second"]


def test_only_what_was_too_much_is_sent_again(server: ElasticsearchServer) -> None:
    server.busy = 1
    server.longs = {"n"}
    content = Texts(data=b'{"n":1}\n{"n":"x"}\n{"n":3}\n', times=[1, 2, 3])
    verdict = deliver(es(server), content)
    assert isinstance(verdict, Again)
    assert verdict.remaining == Texts(data=b'{"n":1}\n', times=[1])
    assert verdict.reason.startswith("document: HTTP 429: es_rejected_execution_exception")
    [(reason, rejected)] = verdict.rejected
    assert rejected == Texts(data=b'{"n":"x"}\n', times=[2])
    assert reason == (
        "document: HTTP 400: document_parsing_exception: [1:5] failed to parse field [n] of type [long]"
    ), "without the value"
    assert [document["n"] for document in server.documents] == [3]


def test_documents_of_the_same_name_are_not_added_twice(server: ElasticsearchServer) -> None:
    server.plan(Accepted())
    settings = es(server, generate_id=True)
    output = elasticsearch.build(settings, Surroundings())
    assert isinstance(output.deliver("app", LINES), Again)
    assert output.deliver("app", LINES) == Delivered()
    output.close()
    assert len(server.documents) == 2


def test_equal_lines_of_one_delivery_are_as_many_documents(server: ElasticsearchServer) -> None:
    deliver(es(server, generate_id=True), Lines(data=b"tick\ntick\ntick\n", time=TIME))
    assert len(server.documents) == 3


def test_an_edit_that_met_another_is_tried_again(server: ElasticsearchServer) -> None:
    conflict = {"update": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}}
    server.plan(Reply(body=json.dumps({"errors": True, "items": [conflict]}).encode()))
    one = Records(times=[TIME], bodies=[{"id": "a"}])
    assert isinstance(deliver(es(server, write_operation="upsert", id_key="id"), one), Again)
    assert deliver(es(server, write_operation="upsert", id_key="id"), one) == Delivered()


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(status=413), TooLarge(reason="HTTP 413")),
        (Reply(status=429, headers=(("Retry-After", "3"),)), Again(reason="HTTP 429", after=3.0)),
        (Reply(status=503, body=b'{"error":{"type":"unavailable_shards_exception","reason":"x"}}'),
         Again(reason="HTTP 503: unavailable_shards_exception: x")),
        (Reply(status=401, body=b'{"error":"unauthorized"}'), Refused(reason="HTTP 401: unauthorized")),
        (Reply(body=b""), Again(reason="HTTP 200, but what follows is no answer to a bulk request")),
        (Reply(body=b'{"errors":true,"items":[{"create":{"status":201}}]}'),
         Again(reason="the answer is about 1 documents, not the 2 sent")),
    ],
)  # fmt: skip
def test_an_answer_is_a_verdict(server: ElasticsearchServer, reply: Reply, verdict: Verdict) -> None:
    server.plan(reply)
    assert deliver(es(server), LINES) == verdict


def test_a_type_is_refused_by_servers_since_version_8(server: ElasticsearchServer) -> None:
    verdict = deliver(es(server, suppress_type_name=False), LINES)
    assert verdict == Refused(
        reason="HTTP 400: illegal_argument_exception: Action/metadata line [1] contains an unknown parameter [_type]"
    )


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_who_we_are(server: ElasticsearchServer) -> None:
    for settings in (
        {"basic": BasicSettings(user="u", passwd="p"), "cloud_auth": "x:y"},
        {"cloud_auth": "elastic:pw:with:colons"},
        {"http_api_key": "a2V5"},
        {},
    ):
        deliver(es(server, **settings), LINES)
    assert [request.headers.get("authorization") for request in server.requests] == [
        "Basic dTpw", "Basic " + base64.b64encode(b"elastic:pw:with:colons").decode(), "ApiKey a2V5", None,
    ]  # fmt: skip


def test_the_path_names_the_pipeline() -> None:
    assert dialect(ElasticsearchSettings()).path == "/_bulk"
    assert dialect(ElasticsearchSettings(path="/es", pipeline="p")).path == "/es/_bulk/?pipeline=p"


@pytest.mark.parametrize(
    ("decoded", "address"),
    [
        ("us-east-1.aws.found.io$abc$def", ("abc.us-east-1.aws.found.io", 443)),
        ("us-east-1.aws.found.io$abc:9243$def", ("abc.us-east-1.aws.found.io", 9243)),
    ],
)
def test_a_cloud_id_is_an_address(decoded: str, address: tuple[str, int]) -> None:
    assert cloud_address("name:" + base64.b64encode(decoded.encode()).decode(), "f:1") == address


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (ElasticsearchSettings(place="f:1", write_operation="update"),
         "f:1: write_operation: update needs id_key or generate_id"),
        (ElasticsearchSettings(place="f:1", id_key="$a["), "f:1: id_key, logstash_prefix_key, index or target_index: '$a[' is no record accessor: '[' does not belong there"),  # noqa: E501
        (ElasticsearchSettings(place="f:1", cloud_id="x"), "f:1: cloud_id: it is not as Elastic Cloud shows it"),
    ],
)  # fmt: skip
def test_keys_that_make_no_sense_are_named(settings: ElasticsearchSettings, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        elasticsearch.build(settings, Surroundings())
    assert str(raised.value) == said
