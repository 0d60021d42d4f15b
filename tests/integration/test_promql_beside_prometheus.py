"""The same samples in Debian's Prometheus and in our window: each query must have the same answer in both."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.promql_series import BASE, COUNT, STEP, fill, make_samples
from tests.promql_lab import Prometheus, prometheus_program, running_prometheus
from tests.unit.scraper.web.fakeview import FakeView, Site

from pillion.scraper.samples import Window

pytestmark = pytest.mark.skipif(prometheus_program() is None, reason="needs prometheus: make host")
END = BASE + STEP * COUNT

QUERIES = r"""
up
up{job="api"}
up{job!="api"}
up{instance=~"[ab]:80"}
up{instance!~"a.*"}
{__name__="up",job="api"}
{__name__=~"up|constant"}
up{missing=""}
up{job="nothing"}
odd_labels{text="a \"quoted\" \\ back\nslash"}
odd_labels{other='ünï'}
http_requests_total offset 5m
http_requests_total offset -1m
http_requests_total{code="500"} @ 1700000600
http_requests_total{code="500"} @ start()
http_requests_total{code="500"} @ end()
http_requests_total{code="500"} @ 1700000900 offset 3m
sum(rate(http_requests_total[5m] @ end()))
late
gone
holes
rate(http_requests_total[1m])
rate(http_requests_total[5m])
rate(http_requests_total{code="500"}[10m])
rate(http_requests_total[5m] offset 2m)
rate(holes[5m])
rate(gone[5m])
increase(http_requests_total[3m])
increase(http_requests_total{code="500"}[20m])
irate(http_requests_total[2m])
irate(http_requests_total{code="500"}[5m])
delta(temperature_celsius[5m])
delta(late[10m])
idelta(temperature_celsius[2m])
deriv(temperature_celsius[5m])
deriv(constant[5m])
predict_linear(temperature_celsius[10m], 3600)
resets(http_requests_total[20m])
resets(sawtooth[10m])
changes(sawtooth[10m])
changes(odd_values[5m])
changes(constant[5m])
avg_over_time(temperature_celsius[5m])
min_over_time(temperature_celsius[5m])
max_over_time(temperature_celsius[5m])
sum_over_time(temperature_celsius[5m])
count_over_time(holes[10m])
last_over_time(temperature_celsius[5m])
last_over_time(gone[20m])
present_over_time(holes[2m])
stddev_over_time(temperature_celsius[5m])
stdvar_over_time(temperature_celsius[5m])
quantile_over_time(0.9, temperature_celsius[10m])
quantile_over_time(2, sawtooth[5m])
min_over_time(odd_values[1m])
max_over_time(odd_values[1m])
absent_over_time(gone[2m])
absent_over_time(nothing{job="x",code=~"2.."}[2m])
sum(http_requests_total)
sum by (job) (http_requests_total)
sum(http_requests_total) by (job, code)
sum without (instance, code) (http_requests_total)
avg by (job) (temperature_celsius)
min by (instance) (temperature_celsius)
max by (instance) (temperature_celsius)
count by (code) (http_requests_total)
count(up == 1)
group by (job) (up)
stddev(temperature_celsius)
stdvar by (job) (temperature_celsius)
quantile(0.5, temperature_celsius)
quantile by (job) (0.95, temperature_celsius)
quantile(-1, temperature_celsius)
topk(3, http_requests_total)
topk by (job) (1, http_requests_total)
bottomk(2, temperature_celsius)
topk(0, up)
count_values("value", numbered)
count_values by (parity) ("value", numbered % 3)
sum(odd_values)
avg(odd_values)
histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))
histogram_quantile(0.5, sum by (le) (rate(latency_seconds_bucket[5m])))
histogram_quantile(0.99, sum by (job, le) (rate(latency_seconds_bucket[2m])))
histogram_quantile(0, latency_seconds_bucket)
histogram_quantile(1, latency_seconds_bucket)
histogram_quantile(1.5, latency_seconds_bucket)
histogram_quantile(0.2, latency_seconds_bucket{le!="+Inf"})
histogram_quantile(0.5, up)
abs(temperature_celsius - 20)
ceil(temperature_celsius)
floor(temperature_celsius)
ceil(-temperature_celsius)
round(temperature_celsius)
round(temperature_celsius, 0.5)
round(-temperature_celsius, 5)
exp(temperature_celsius / 10)
exp(odd_values)
ln(temperature_celsius)
log2(temperature_celsius)
log10(temperature_celsius)
ln(odd_values)
sqrt(temperature_celsius)
sqrt(odd_values)
abs(odd_values)
floor(odd_values)
sgn(temperature_celsius)
clamp(temperature_celsius, 15, 25)
clamp(temperature_celsius, 25, 15)
clamp_min(temperature_celsius, 15)
clamp_max(temperature_celsius, 15)
clamp_max(odd_values, 1)
sin(temperature_celsius)
cos(temperature_celsius)
tan(temperature_celsius)
asin(temperature_celsius / 50)
acos(temperature_celsius / 5)
atan(temperature_celsius)
sinh(temperature_celsius)
cosh(-temperature_celsius)
tanh(temperature_celsius)
asinh(temperature_celsius)
acosh(temperature_celsius)
atanh(temperature_celsius / 50)
deg(temperature_celsius)
rad(temperature_celsius)
pi()
time()
time() - 1700000000
timestamp(up)
timestamp(up offset 1m)
timestamp(sum(up))
timestamp(timestamp(up))
vector(7)
scalar(constant)
scalar(up)
scalar(nothing) + 1
sort(numbered)
sort_desc(numbered)
year()
month()
hour(day_seconds)
minute(day_seconds)
day_of_week(day_seconds)
day_of_month(day_seconds)
day_of_year(day_seconds)
days_in_month(day_seconds)
absent(up)
absent(nothing)
absent(nothing{job="x",job="y",instance="i"})
absent(sum(nothing))
label_replace(up, "host", "$1", "instance", "(.*):(.*)")
label_replace(up, "host", "${2}-x", "instance", "(.*):(.*)")
label_replace(up, "job", "", "job", "api")
label_replace(up, "new", "fixed", "missing", "")
label_join(up, "both", "-", "job", "instance")
label_join(up, "job", "", "missing")
1 + 2 * 3 ^ 2 ^ 0.5
-1 ^ 2
7 % 4 - -7 % 4
1 / 0
-1 / 0
0 / 0
5 atan2 2
1 == bool 1
1 > bool 2
2 ^ 1024
-temperature_celsius
+temperature_celsius
temperature_celsius * 2
2 - temperature_celsius
temperature_celsius % 7
temperature_celsius ^ 2
temperature_celsius > 20
20 < temperature_celsius
temperature_celsius > bool 20
temperature_celsius == temperature_celsius
odd_values == odd_values
odd_values != bool odd_values
temperature_celsius / on(instance, job) up
http_requests_total / on(job, instance) group_left up
up * on(job) group_left(version) build_info
on_missing * on(job) group_left(version) build_info
build_info * on(job) group_right(version) up
sum by (job, code) (http_requests_total) / ignoring(code) group_left sum by (job) (http_requests_total)
http_requests_total{code="200"} + ignoring(code) http_requests_total{code="404"}
http_requests_total{code="200"} > ignoring(code) http_requests_total{code="404"}
http_requests_total{code="200"} > bool ignoring(code) http_requests_total{code="404"}
up and on(job) build_info
up{job="api"} and up{instance="a:80"}
up{job="api"} or up{instance="a:80"}
up unless up{instance="a:80"}
up or vector(1)
up and vector(1)
vector(1) or vector(2)
max_over_time(rate(http_requests_total{code="200"}[1m])[5m:30s])
avg_over_time(sum(temperature_celsius)[5m:])
sum_over_time((up == 1)[3m:15s] offset 1m)
rate(http_requests_total{code="500"}[5m:1m])
(up)
((up{job="api"})) * 2
sum(sum by (job) (up))
1000 + 0x1F + 1e3 + .5
Inf - 1
NaN
numbered{number=~"0|1|2"} * ignoring(number) group_left vector(3)
sum by (parity) (numbered) > 7
avg without () (numbered)
# a comment
up # and another
""".strip().splitlines()

WRONG = r"""
sum(
up{
up{job=
up{job="api"
up{job="api}
up{job~"x"}
up{job=~"("}
up[5m
up[5x]
rate(up)
rate(up[5m]
rate(up[5m]))
abs()
abs(up, up)
nonsense(up)
up +
up + "a"
1 > 2
1 and 2
up and 1
up bool 1
up + bool 1
up offset
up offset 5x
(up + up) offset 5m
sum by job (up)
sum by (1) (up)
sum(up, up)
topk(up)
topk("a", up)
sum()
{}
{job=~".*"}
up{__name__="down"}
"text" + 1
up[5m] + 1
-"a"
up{job="api"} up
up up
)
up}
up]
a b c
label_replace(up, "a", "b", "c")
label_replace(up, 1, "b", "c", "d")
up * on(job) group_left(job) build_info
up and on(job) group_left up
up ! up
up =~ up
up @ x
up @ 5 @ 6
up offset 5m offset 6m
sum(up) @ 5
1[5m]
sum(up)[5m]
scalar(1)
vector(up)
time(1)
foo::bar{
'unterminated
`unterminated
up{"a"}
sum(up) by
quantile(up)
histogram_quantile(up, up)
$x
up ==
count_values(1, up)
""".strip("\n").splitlines()

LONG = r"""
sum by (job, instance) (rate(requests_total{code=~"5.."}[5m])) / sum by (job, instance) (rate(requests_total[5m]))
histogram_quantile(0.99, sum by (le, job, instance) (rate(request_seconds_bucket{handler="api",code="200"}[5m])))
label_replace(up{instance="127.0.0.1:9090",job="a-long-name-of-a-job"}, "instance_host", "$1", "instance", "(.*):.*")
topk(5, sum without (instance, pod) (increase(http_requests_total{code!="200",job="a-long-name-of-a-job"}[1h])))
(http_requests_total{job="a-long-name-of-a-job"} - http_requests_total{job="a-long-name-of-a-job"} offset 5m)
http_requests_total{job="a-long-name-of-a-job"} * on (job, instance) group_left (version, revision) build_info
-(http_requests_total{job="a-long-name-of-a-job"} - http_requests_total{job="another-long-name-of-a-job"} offset 5m)
max_over_time(sum by (job) (rate(requests_total{job="a-long-name-of-a-job",code=~"5.."}[5m] offset 1m))[1h:30s] @ end())
""".strip("\n").splitlines()

OTHER_WORDS = {
    # Prometheus 3 says these in other words than 2.42.
    'up{job=~"("}': "1:4: parse error: error parsing regexp: missing closing ): `^(?s:()$`",
    "up[5x]": '1:4: parse error: bad number or duration syntax: "5"',
    "up offset": "1:10: parse error: unexpected end of input in offset, "
    "expected number, duration, step(), or range()",
    "up offset 5x": '1:11: parse error: bad number or duration syntax: "5"',
    'up{"a"}': '1:1: parse error: metric name must not be set twice: "up" or "a"',
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Site]]:
    samples = make_samples()
    window = Window()
    fill(window, samples)
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as prometheus:
        prometheus.write(samples)
        yield prometheus, Site(FakeView(window), now=END / 1000)


def rounded(text: str) -> float | str:
    value = float(text)
    return text if not math.isfinite(value) or value == 0 else value


def same(mine: float | str, theirs: float | str) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)
    return mine == theirs or {mine, theirs} == {"0", "-0"}


def points(data: dict[str, Any]) -> dict[str, list[tuple[float, float | str]]]:
    result = data["result"]
    if data["resultType"] in ("scalar", "string"):
        result = [{"metric": {}, "value": result}]
    return {
        str(sorted(each["metric"].items())): [
            (time, rounded(value)) for time, value in each.get("values") or [each["value"]]
        ]
        for each in result
    }


def compare(mine: tuple[int, Any], theirs: tuple[int, Any]) -> None:
    assert mine[0] == theirs[0], (mine, theirs)
    if mine[0] != 200:
        assert mine[1]["errorType"] == theirs[1]["errorType"]
        return
    assert mine[1]["data"]["resultType"] == theirs[1]["data"]["resultType"]
    found, wanted = points(mine[1]["data"]), points(theirs[1]["data"])
    assert found.keys() == wanted.keys()
    for metric, values in wanted.items():
        assert [time for time, _ in found[metric]] == [time for time, _ in values], metric
        for (time, value), (_, other) in zip(found[metric], values, strict=True):
            assert same(value, other), (metric, time, value, other)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_has_prometheus_answer(both: tuple[Prometheus, Site], query: str) -> None:
    prometheus, site = both
    for time in (BASE + 301_000, BASE + 1_203_000, END - 9_000):
        asked: dict[str, object] = {"query": query, "time": time / 1000}
        compare(site.get("/api/v1/query", **asked), prometheus.get("/api/v1/query", **asked))
    asked = {"query": query, "start": BASE / 1000 + 2, "end": END / 1000, "step": "30s"}
    compare(site.get("/api/v1/query_range", **asked), prometheus.get("/api/v1/query_range", **asked))


def as_since_3(text: str) -> str:
    """With what Prometheus 3 writes otherwise: a blank before parentheses, and matchers in order."""
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\(", r"\1 (", text)
    text = re.sub(r"(\b(?:by|without) \([^)]*\))\(", r"\1 (", text)
    return re.sub(
        r"\{(\w+[=!][^{}]*)\}", lambda braces: "{" + ",".join(sorted(_MATCHER.findall(braces[1]))) + "}", text
    )


_MATCHER = re.compile(r'\w+(?:=~?|![=~])"(?:[^"\\]|\\.)*"')


@pytest.mark.parametrize("query", [query for query in [*QUERIES, *LONG] if "1700000000" not in query])
def test_a_query_is_formatted_as_prometheus_does_it(both: tuple[Prometheus, Site], query: str) -> None:
    prometheus, site = both
    mine = site.get("/api/v1/format_query", query=query)
    theirs = prometheus.get("/api/v1/format_query", query=query)
    assert mine[0] == theirs[0]
    if mine[0] == 200:
        assert mine[1]["data"] == as_since_3(theirs[1]["data"])


@pytest.mark.parametrize("query", WRONG)
def test_a_query_that_is_wrong_has_prometheus_words(both: tuple[Prometheus, Site], query: str) -> None:
    prometheus, site = both
    mine = site.get("/api/v1/query", query=query)
    theirs = prometheus.get("/api/v1/query", query=query)
    assert mine[0] == theirs[0]
    words = theirs[1]["error"]
    if query in OTHER_WORDS:
        words = f'invalid parameter "query": {OTHER_WORDS[query]}'
    assert mine[1]["error"] == words


@pytest.mark.parametrize(
    "query", ["up[1m]", "gone[30m]", "temperature_celsius[2m] offset 1m", "sum(up)[1m:15s]"]
)
def test_a_range_has_the_samples_that_prometheus_has(both: tuple[Prometheus, Site], query: str) -> None:
    prometheus, site = both
    asked = {"query": query, "time": (BASE + 1_203_000) / 1000}
    compare(site.get("/api/v1/query", **asked), prometheus.get("/api/v1/query", **asked))
