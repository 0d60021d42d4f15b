"""The HTTP API as its users ask it: Grafana's data source, promtool, curl; and what they are told when it is wrong."""

from __future__ import annotations

import gzip
import struct
from array import array
from http import HTTPStatus
from typing import Any

import pytest
from tests.unit.scraper.samples.test_window import batch
from tests.unit.scraper.web.fakeview import FakeTargets, FakeView, Site

from pillion.scraper.configuration import (
    Authorization,
    Configuration,
    Flags,
    GlobalConfig,
    HttpClient,
    RemoteWriteConfig,
    Secret,
)
from pillion.scraper.labels import labels_of
from pillion.scraper.samples import Batch, Exemplar, Metadata, SeriesSet, Window
from pillion.scraper.web import ActiveTarget, DroppedTarget, Health

NOW = 1_700_000_000
REQUESTS = Metadata(name="requests_total", type="counter", help="Requests.")
TARGETS = FakeTargets(
    [
        ActiveTarget(
            pool="agent",
            discovered={"__address__": "127.0.0.1:8000"},
            labels=(("instance", "127.0.0.1:8000"), ("job", "agent")),
            url="http://127.0.0.1:8000/metrics",
            health=Health.UP,
            last_scrape=NOW - 5.25,
            last_duration=0.012,
            interval=15_000,
            timeout=10_000,
            metadata=(REQUESTS,),
        ),
        ActiveTarget(
            pool="other",
            discovered={},
            labels=(("job", "other"),),
            url="http://other/metrics",
            interval=90_000,
            timeout=10_000,
            metadata=(Metadata(name="requests_total", type="gauge", help="Not the same."),),
        ),
    ],
    [DroppedTarget(pool="agent", discovered={"__address__": "x:1"})],
)


def filled() -> Window:
    window = Window()
    names = (("requests_total", "agent"), ("up", "agent"), ("up", "other"))
    of = SeriesSet(
        tuple(labels_of({"__name__": name, "job": job}) for name, job in names), (REQUESTS, None, None)
    )
    for second in range(-120, 1, 15):
        window.append(batch(of, (NOW + second) * 1000, 1000.0 + second * 2, 1.0, 0.0))
    return window


def site(**settings: Any) -> Site:
    return Site(FakeView(filled(), targets=TARGETS, flags=Flags(**settings)), now=NOW)


def test_grafana_finds_out_who_it_talks_to() -> None:
    status, answer = site().get("/api/v1/status/buildinfo")
    assert (status, answer["status"]) == (200, "success")
    assert answer["data"]["version"].startswith("3.")
    assert "features" not in answer["data"], "Mimir's mark"


def test_grafana_tests_the_data_source() -> None:
    response = site().ask("/api/v1/query", form={"query": "1+1", "time": NOW})
    assert response.body == (b'{"status":"success","data":{"resultType":"scalar","result":[1700000000,"2"]}}')
    assert response.type == "application/json"


def test_grafana_asks_for_names_with_a_form() -> None:
    response = site().ask(
        "/api/v1/labels", form={"start": NOW - 3600, "end": NOW, "match[]": 'up{job="agent"}'}
    )
    assert response.body == b'{"status":"success","data":["__name__","job"]}'


@pytest.mark.parametrize(
    ("path", "asked", "data"),
    [
        ("/api/v1/label/job/values", {}, ["agent", "other"]),
        ("/api/v1/label/job/values", {"match": "requests_total"}, ["agent"]),
        ("/api/v1/label/job/values", {"start": NOW + 10}, []),
        ("/api/v1/label/__name__/values", {}, ["requests_total", "up"]),
        ("/api/v1/label/U__job/values", {}, ["agent", "other"]),
        ("/api/v1/series", {"match": ['up{job="agent"}']}, [{"__name__": "up", "job": "agent"}]),
        (
            "/api/v1/metadata",
            {"metric": "requests_total"},
            {
                "requests_total": [
                    {"type": "counter", "help": "Requests.", "unit": ""},
                    {"type": "gauge", "help": "Not the same.", "unit": ""},
                ]
            },
        ),
        ("/api/v1/metadata", {"limit": 0}, {}),
        (
            "/api/v1/targets/metadata",
            {"match_target": '{job="other"}', "metric": "requests_total"},
            [{"target": {"job": "other"}, "type": "gauge", "help": "Not the same.", "unit": ""}],
        ),
        ("/api/v1/scrape_pools", {}, {"scrapePools": ["agent", "other"]}),
        ("/api/v1/label/U__d800_/values", {}, []),
        ("/api/v1/label/U___d800_/values", {}, []),
        ("/api/v1/label/U___10ffff_/values", {}, []),
        ("/api/v1/format_query", {"query": "sum(up)by(job)"}, "sum by (job) (up)"),
        (
            "/api/v1/parse_query",
            {"query": 'rate(up{a=~"b"}[5m] offset 1m) + 1m'},
            {
                "type": "binaryExpr",
                "op": "+",
                "lhs": {
                    "type": "call",
                    "func": {"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"},
                    "args": [
                        {
                            "type": "matrixSelector",
                            "name": "up",
                            "range": 300_000,
                            "offset": 60_000,
                            "matchers": [
                                {"name": "a", "value": "b", "type": "=~"},
                                {"name": "__name__", "value": "up", "type": "="},
                            ],
                            "timestamp": None,
                            "startOrEnd": None,
                            "anchored": False,
                            "smoothed": False,
                        }
                    ],
                },
                "rhs": {"type": "numberLiteral", "val": "60"},
                "matching": None,
                "bool": False,
            },
        ),
        ("/api/v1/rules", {}, {"groups": []}),
        ("/api/v1/alerts", {}, {"alerts": []}),
        ("/api/v1/query_exemplars", {"query": "up"}, []),
    ],
)
def test_a_question_has_its_answer(path: str, asked: dict[str, Any], data: Any) -> None:
    assert site().get(path, **asked) == (200, {"status": "success", "data": data})


def test_grafana_draws_a_graph() -> None:
    asked = {"query": "requests_total + 0", "start": NOW - 30, "end": NOW, "step": 15}
    response = site().ask("/api/v1/query_range", form=asked)
    assert response.body == (
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"agent"},'
        b'"values":[[1699999970,"940"],[1699999985,"970"],[1700000000,"1000"]]}]}}'
    )


def test_a_limit_cuts_and_says_so() -> None:
    status, answer = site().get("/api/v1/query", query="up", limit=1)
    assert status == 200
    assert len(answer["data"]["result"]) == 1
    assert answer["warnings"] == ["results truncated due to limit"]


@pytest.mark.parametrize(
    ("path", "asked", "status", "kind", "words"),
    [
        ("query", {"query": "up{"}, 400, "bad_data", 'invalid parameter "query": 1:4: parse error: '),
        (
            "query",
            {},
            400,
            "bad_data",
            'invalid parameter "query": unknown position: parse error: no expression',
        ),
        (
            "query",
            {"query": "up", "time": "noon"},
            400,
            "bad_data",
            'invalid parameter "time": Invalid time value for \'time\': cannot parse "noon" to a valid timestamp',
        ),
        (
            "query",
            {"query": "up", "timeout": "x"},
            400,
            "bad_data",
            'invalid parameter "timeout": cannot parse "x"',
        ),
        (
            "query",
            {"query": "up", "limit": "x"},
            400,
            "bad_data",
            'invalid parameter "limit": strconv.Atoi: parsing',
        ),
        (
            "query",
            {"query": "up", "limit": -1},
            400,
            "bad_data",
            'invalid parameter "limit": limit must be non-neg',
        ),
        (
            "query",
            {"query": "up + on() up"},
            422,
            "execution",
            "found duplicate series for the match group {} on",
        ),
        (
            "query_range",
            {"query": "up"},
            400,
            "bad_data",
            'invalid parameter "start": cannot parse "" to a valid',
        ),
        (
            "query_range",
            {"query": "up", "start": 2, "end": 1, "step": 1},
            400,
            "bad_data",
            'invalid parameter "end": end timestamp must not be before start time',
        ),
        (
            "query_range",
            {"query": "up", "start": 1, "end": 2, "step": 0},
            400,
            "bad_data",
            'invalid parameter "step": zero or negative query resolution step widths are not accepted.',
        ),
        (
            "query_range",
            {"query": "up", "start": 0, "end": 11_001, "step": 1},
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution",
        ),
        (
            "query_range",
            {"query": "up[1m]", "start": 1, "end": 2, "step": 1},
            400,
            "bad_data",
            'invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or',
        ),
        ("series", {}, 400, "bad_data", "no match[] parameter provided"),
        (
            "series",
            {"match": "{}"},
            400,
            "bad_data",
            'invalid parameter "match[]": match[] must contain at least',
        ),
        ("labels", {"match": "up{"}, 400, "bad_data", 'invalid parameter "match[]": 1:4: parse error'),
        ("metadata", {"limit": "x"}, 400, "bad_data", "limit must be a number"),
    ],
)
def test_a_wrong_question_is_refused_in_prometheus_words(
    path: str, asked: dict[str, Any], status: int, kind: str, words: str
) -> None:
    code, answer = site().get(f"/api/v1/{path}", **asked)
    assert (code, answer["status"], answer["errorType"]) == (status, "error", kind)
    assert answer["error"].startswith(words)


def test_a_query_that_takes_too_long_is_given_up() -> None:
    place = site(query_timeout=0)
    ticks = iter(range(10_000))
    place.clock.now = lambda: NOW + next(ticks)  # type: ignore[method-assign]
    status, answer = place.get("/api/v1/query_range", query="up", start=NOW - 60, end=NOW, step=1)
    assert (status, answer["errorType"]) == (503, "timeout")
    assert answer["error"] == "query timed out in expression evaluation"


def test_targets_are_shown_as_prometheus_shows_them() -> None:
    _, answer = site(external_url="http://agent.example:9090/").get("/api/v1/targets")
    first, second = answer["data"]["activeTargets"]
    assert first == {
        "discoveredLabels": {"__address__": "127.0.0.1:8000"},
        "labels": {"instance": "127.0.0.1:8000", "job": "agent"},
        "scrapePool": "agent",
        "scrapeUrl": "http://127.0.0.1:8000/metrics",
        "globalUrl": "http://agent.example:8000/metrics",
        "lastError": "",
        "lastScrape": "2023-11-14T22:13:14.750000Z",
        "lastScrapeDuration": 0.012,
        "health": "up",
        "scrapeInterval": "15s",
        "scrapeTimeout": "10s",
    }
    assert (second["health"], second["lastScrape"]) == ("unknown", "0001-01-01T00:00:00Z")
    assert second["scrapeInterval"] == "1m30s"
    assert answer["data"]["droppedTargets"] == [
        {"discoveredLabels": {"__address__": "x:1"}, "scrapePool": "agent"}
    ]
    assert answer["data"]["droppedTargetCounts"] == {"agent": 1}


@pytest.mark.parametrize(
    ("asked", "active", "dropped"),
    [
        ({"state": "active"}, 2, 0),
        ({"state": "dropped"}, 0, 1),
        ({"state": "ANY"}, 2, 1),
        ({"scrapePool": "other"}, 1, 0),
    ],
)
def test_targets_can_be_chosen(asked: dict[str, Any], active: int, dropped: int) -> None:
    data = site().get("/api/v1/targets", **asked)[1]["data"]
    assert (len(data["activeTargets"]), len(data["droppedTargets"])) == (active, dropped)


def test_the_configuration_is_shown_without_its_secrets() -> None:
    write = RemoteWriteConfig(
        url="http://there/write",  # type: ignore[arg-type]
        http_client=HttpClient(authorization=Authorization(credentials=Secret("hush-hush"))),
    )
    configuration = Configuration(
        file="x", global_config=GlobalConfig().completed(), scrape_configs=(), remote_write=(write,)
    )
    _, answer = Site(FakeView(configuration=configuration)).get("/api/v1/status/config")
    assert "<secret>" in answer["data"]["yaml"]
    assert "hush-hush" not in answer["data"]["yaml"]


def test_the_window_says_what_it_holds() -> None:
    _, answer = site().get("/api/v1/status/tsdb")
    assert answer["data"]["headStats"]["numSeries"] == 3
    assert answer["data"]["seriesCountByMetricName"][0] == {"name": "up", "value": 2}


def test_exemplars_are_found_by_their_series() -> None:
    window = Window()
    of = SeriesSet((labels_of({"__name__": "latency_bucket", "le": "1"}),), (None,))
    exemplar = Exemplar(index=0, labels=(("trace_id", "abc"),), value=0.5, time=(NOW - 2) * 1000)
    window.append(
        Batch(
            series=of,
            time=NOW * 1000,
            values=struct.pack("<d", 1),
            starts=array("q", [0]),
            exemplars=(exemplar,),
        )
    )
    _, answer = Site(FakeView(window)).get("/api/v1/query_exemplars", query="rate(latency_bucket[1m])")
    assert answer["data"] == [
        {
            "seriesLabels": {"__name__": "latency_bucket", "le": "1"},
            "exemplars": [{"labels": {"trace_id": "abc"}, "value": "0.5", "timestamp": NOW - 2.0}],
        }
    ]


def test_another_prometheus_can_federate() -> None:
    configuration = Configuration(
        file="x",
        global_config=GlobalConfig(external_labels={"pod": "agent"}).completed(),
        scrape_configs=(),
        remote_write=(),
    )
    place = Site(FakeView(filled(), configuration=configuration), now=NOW + 1)
    response = place.ask("/federate", match=['{job="agent"}', "up"])
    assert response.body.decode() == (
        "# TYPE requests_total untyped\n"
        'requests_total{instance="",job="agent",pod="agent"} 1000 1700000000000\n'
        "# TYPE up untyped\n"
        'up{instance="",job="agent",pod="agent"} 1 1700000000000\n'
        'up{instance="",job="other",pod="agent"} 0 1700000000000\n'
    )
    assert place.ask("/federate", match="up{").status == 400


@pytest.mark.parametrize(
    ("path", "method", "status", "body"),
    [
        ("/-/healthy", "GET", 200, b"Prometheus Server is Healthy.\n"),
        ("/-/healthy", "HEAD", 200, None),
        ("/-/ready", "GET", 200, b"Prometheus Server is Ready.\n"),
        ("/-/reload", "GET", 405, b"Only POST or PUT requests allowed"),
        ("/-/reload", "POST", 200, b""),
        ("/-/quit", "PUT", 200, b"Requesting termination... Goodbye!"),
        ("/metrics", "GET", 200, b"# TYPE up_since gauge\nup_since 1\n"),
        ("/metrics", "POST", 405, None),
        ("/api/v1/targets", "POST", 405, None),
        ("/api/v1/nothing", "GET", 404, b"404 page not found\n"),
        ("/nothing", "GET", 404, b"404 page not found\n"),
        ("/api/v1/query", "OPTIONS", 204, b""),
    ],
)
def test_each_path_has_its_methods(path: str, method: str, status: int, body: bytes | None) -> None:
    response = site(enable_lifecycle=True).ask(path, method=method)
    assert response.status == status
    assert body is None or response.body == body


def test_it_ends_and_reads_again_only_if_it_may() -> None:
    refused = site()
    for path in ("/-/reload", "/-/quit"):
        response = refused.ask(path, method="POST")
        assert (response.status, response.body) == (403, b"Lifecycle API is not enabled.")
    assert (refused.view.reloads, refused.view.has_quit) == (0, False)
    allowed = Site(FakeView(flags=Flags(enable_lifecycle=True), reload_says="a.yml:3: no"))
    response = allowed.ask("/-/reload", method="POST")
    assert (response.status, response.body) == (500, b"failed to reload config: a.yml:3: no\n")
    allowed.ask("/-/quit", method="POST")
    assert allowed.view.has_quit


def test_it_is_not_ready_before_it_scrapes() -> None:
    place = site()
    place.view.is_ready = False
    assert place.ask("/-/ready").status == HTTPStatus.SERVICE_UNAVAILABLE
    assert place.ask("/-/healthy").status == HTTPStatus.OK


@pytest.mark.parametrize(
    ("allowed", "origin", "answer"),
    [
        (".*", "http://a", "*"),
        (".*", "", None),
        (r"https?://(a|b)\.example", "http://a.example", "http://a.example"),
        (r"https?://(a|b)\.example", "http://a.example.evil", None),
    ],
)
def test_pages_from_elsewhere_may_ask_if_they_are_allowed(
    allowed: str, origin: str, answer: str | None
) -> None:
    response = site(cors_origin=allowed).ask("/api/v1/labels", headers={"origin": origin} if origin else {})
    assert dict(response.headers).get("Access-Control-Allow-Origin") == answer


def test_long_answers_are_compressed_for_those_who_read_that() -> None:
    asked: dict[str, Any] = {"query": "up", "start": NOW - 120, "end": NOW, "step": 1}
    plain = site().ask("/api/v1/query_range", **asked)
    packed = site().ask("/api/v1/query_range", headers={"accept-encoding": "gzip, br"}, **asked)
    assert ("Content-Encoding", "gzip") in packed.headers
    assert gzip.decompress(packed.body) == plain.body


def test_it_can_live_below_a_prefix() -> None:
    place = site(route_prefix="/metrics-of/agent")
    assert place.ask("/metrics-of/agent/-/healthy").status == 200
    assert place.ask("/-/healthy").status == 404
    assert dict(place.ask("/").headers) == {"Location": "/metrics-of/agent/"}


def test_the_page_is_there_and_loads_nothing_from_elsewhere() -> None:
    response = site().ask("/")
    assert response.type == "text/html; charset=utf-8"
    page = response.body.decode()
    assert "https://" not in page
    assert page.count("http://") == page.count("http://www.w3.org/2000/svg")
    assert "innerHTML" not in page
