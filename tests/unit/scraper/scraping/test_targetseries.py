from __future__ import annotations

import pytest
from tests.unit.scraper.scraping.pages import (
    final,
    page,
    page_samples,
    report_of,
    samples_of,
    series,
    take,
    target_series,
)

from pillion.scraper.labels import Action, Labels, RelabelConfig, ValidationScheme, regexp
from pillion.scraper.samples import Exemplar
from pillion.scraper.scraping.failures import PageError, ScrapeError
from pillion.scraper.scraping.samplelabels import LabelLimits

A, B, C = series("a"), series("b"), series("c")


def test_a_page_becomes_samples_with_the_targets_labels_and_a_report() -> None:
    outcome = take(target_series(), page((A, 1), (B, 2)), 1000)
    assert page_samples(outcome) == [(final("a"), 1, 1000), (final("b"), 2, 1000)]
    assert report_of(outcome) == {
        "up": 1,
        "scrape_duration_seconds": 0.5,
        "scrape_samples_scraped": 2,
        "scrape_samples_post_metric_relabeling": 2,
        "scrape_series_added": 2,
    }


def test_extra_metrics_tell_the_timeout_the_limit_and_the_size() -> None:
    report = report_of(take(target_series(extra=True, sample_limit=7), page((A, 1)), 1))
    assert [report[name] for name in ("scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes")] == [
        10, 7, 0,
    ]  # fmt: skip


def test_pages_with_the_same_series_give_batches_of_the_same_set() -> None:
    cache, first = target_series(), page((A, 1), (B, 2))
    one = take(cache, first, 1000)
    two = take(cache, page((A, 3), (B, 4), like=first), 2000)
    assert one.batches[0].series is two.batches[0].series
    assert one.batches[-1].series is two.batches[-1].series
    assert two.findings.series_added == 0


def test_a_missing_series_gets_one_marker_with_the_time_of_the_scrape() -> None:
    cache = target_series()
    take(cache, page((A, 1), (B, 2)), 1000)
    assert page_samples(take(cache, page((A, 1)), 2000)) == [
        (final("a"), 1, 2000),
        (final("b"), "stale", 2000),
    ]
    assert page_samples(take(cache, page((A, 1)), 3000)) == [(final("a"), 1, 3000)]


def test_a_failed_scrape_is_an_empty_one() -> None:
    cache, first = target_series(), page((A, 1), (B, 2))
    take(cache, first, 1000)
    failed = take(cache, None, 2000, ScrapeError("connection refused"))
    assert page_samples(failed) == [(final("a"), "stale", 2000), (final("b"), "stale", 2000)]
    assert failed.batches[0].series is not failed.batches[-1].series
    assert report_of(failed) == {
        "up": 0,
        "scrape_duration_seconds": 0.5,
        "scrape_samples_scraped": 0,
        "scrape_samples_post_metric_relabeling": 0,
        "scrape_series_added": 0,
    }
    assert page_samples(take(cache, None, 3000, ScrapeError("again"))) == []
    back = take(cache, page((A, 5), (B, 6), like=first), 4000)
    assert page_samples(back) == [(final("a"), 5, 4000), (final("b"), 6, 4000)]
    assert report_of(back)["scrape_series_added"] == 0  # they were not forgotten


def test_an_empty_answer_is_up_without_series() -> None:
    cache = target_series()
    take(cache, page((A, 1)), 1000)
    outcome = take(cache, None, 2000)
    assert page_samples(outcome) == [(final("a"), "stale", 2000)]
    assert report_of(outcome)["up"] == 1


@pytest.mark.parametrize(
    ("honor", "exposed", "expected"),
    [
        (False, {"job": "x"}, {"job": "j", "instance": "a:1", "exported_job": "x"}),
        (True, {"job": "x"}, {"job": "x", "instance": "a:1"}),
        (
            False,
            {"job": "x", "exported_job": "y"},
            {"job": "j", "instance": "a:1", "exported_job": "y", "exported_exported_job": "x"},
        ),
    ],
)
def test_conflicting_labels_are_exported_unless_they_are_honored(
    honor: bool, exposed: dict[str, str], expected: dict[str, str]
) -> None:
    outcome = take(target_series(honor_labels=honor), page((series("a", **exposed), 1)), 1)
    assert dict(page_samples(outcome)[0][0]) == {"__name__": "a", **expected}


def test_an_empty_label_of_the_page_keeps_the_targets_away_when_labels_are_honored() -> None:
    exposed = (("__name__", "a"), ("instance", ""))
    outcome = take(target_series(honor_labels=True), page((exposed, 1)), 1)
    assert page_samples(outcome)[0][0] == (("__name__", "a"), ("job", "j"))


def test_relabelling_drops_and_renames_and_the_first_of_two_alike_counts() -> None:
    rules = (
        RelabelConfig(source_labels=("__name__",), regex=regexp("b"), action=Action.DROP),
        RelabelConfig(regex=regexp("n"), action=Action.LABELDROP),
    )
    given = page((B, 9), (series("a", n="1"), 1), (series("a", n="2"), 2), (C, 3))
    cache = target_series(*rules)
    outcome = take(cache, given, 1)
    assert page_samples(outcome) == [(final("a"), 1, 1), (final("c"), 3, 1)]
    assert outcome.refused.duplicates == 1
    assert report_of(outcome)["scrape_samples_scraped"] == 4
    assert report_of(outcome)["scrape_samples_post_metric_relabeling"] == 3
    again = page((B, 0), (series("a", n="1"), 11), (series("a", n="2"), 12), (C, 13), like=given)
    assert page_samples(take(cache, again, 2)) == [(final("a"), 11, 2), (final("c"), 13, 2)]


LIMITS = [
    ({"labels": 3}, series("a", x="1"), "label_limit exceeded (metric: a, number of labels: 4, limit: 3)"),
    (
        {"name_length": 8},
        series("a", extremely="1"),
        "label_name_length_limit exceeded (metric: a, label name: extremely, length: 9, limit: 8)",
    ),
    (
        {"value_length": 5},
        series("a", x="über1"),
        'label_value_length_limit exceeded (metric: a, label name: x, value: "über1", length: 6, limit: 5)',
    ),
]


@pytest.mark.parametrize(("limits", "exposed", "text"), LIMITS)
def test_a_label_limit_fails_the_whole_scrape(
    limits: dict[str, int], exposed: tuple[tuple[str, str], ...], text: str
) -> None:
    cache = target_series(limits=LabelLimits(**limits))
    take(cache, page((A, 1)), 1)
    outcome = take(cache, page((A, 1), (exposed, 2), (C, 3)), 2)
    assert str(outcome.error) == text
    assert page_samples(outcome) == [(final("a"), "stale", 2)]
    report = report_of(outcome)
    assert (report["up"], report["scrape_samples_scraped"], report["scrape_samples_post_metric_relabeling"]) == (
        0, 2, 1,
    )  # fmt: skip


def test_the_sample_limit_counts_after_relabelling_and_reports_the_whole_page() -> None:
    rules = (RelabelConfig(source_labels=("__name__",), regex=regexp("b"), action=Action.DROP),)
    cache = target_series(*rules, sample_limit=2)
    assert take(cache, page((A, 1), (B, 2), (C, 3)), 1).error is None
    outcome = take(cache, page((A, 1), (B, 2), (C, 3), (series("d"), 4)), 2)
    assert str(outcome.error) == "sample limit exceeded"
    assert page_samples(outcome) == [(final("a"), "stale", 2), (final("c"), "stale", 2)]
    assert report_of(outcome)["scrape_samples_post_metric_relabeling"] == 3
    assert report_of(outcome)["scrape_samples_scraped"] == 4


@pytest.mark.parametrize(
    ("rule", "scheme", "text"),
    [
        (
            RelabelConfig(regex=regexp("__name__"), action=Action.LABELDROP),
            ValidationScheme.UTF8,
            "missing metric name (__name__ label)",
        ),
        (
            RelabelConfig(target_label="__name__", replacement="a b"),
            ValidationScheme.LEGACY,
            'invalid metric name or label names: {__name__="a b", instance="a:1", job="j"}',
        ),
    ],
)
def test_a_series_that_cannot_be_fails_the_whole_scrape(
    rule: RelabelConfig, scheme: ValidationScheme, text: str
) -> None:
    outcome = take(target_series(rule, scheme=scheme), page((A, 1)), 1)
    assert str(outcome.error) == text
    assert page_samples(outcome) == []


TWICE = (("__name__", "a"), ("n", "1"), ("n", "2"))


@pytest.mark.parametrize(
    ("exposed", "rule", "expected"),
    [
        (TWICE, None, 'label name "n" is not unique: invalid sample'),
        (TWICE, RelabelConfig(regex=regexp("n"), action=Action.LABELDROP), final("a")),
        (
            TWICE,
            RelabelConfig(source_labels=("n",), target_label="n", replacement="${1}x"),
            final("a", n="1x"),
        ),
        (TWICE, RelabelConfig(source_labels=("n",), regex=regexp("1"), action=Action.DROP), None),
        ((("__name__", "a"), ("job", "1"), ("job", "2")), None, final("a", exported_job="1")),
        ((("__name__", ""), ("n", "1")), None, "missing metric name (__name__ label)"),
        ((("__name__", ""),), RelabelConfig(target_label="__name__", replacement="a"), final("a")),
        ((("__name__", ""),), RelabelConfig(source_labels=("job",), action=Action.DROP), None),
    ],
)
def test_labels_that_come_twice_and_missing_names_are_judged_after_relabelling(
    exposed: Labels, rule: RelabelConfig | None, expected: Labels | str | None
) -> None:
    outcome = take(target_series(*([rule] if rule else [])), page((exposed, 1)), 1)
    if isinstance(expected, str):
        assert (str(outcome.error), page_samples(outcome)) == (expected, [])
    else:
        assert page_samples(outcome) == ([(expected, 1, 1)] if expected else [])


@pytest.mark.parametrize(
    ("read", "error", "reported"),
    [
        ((A, B), "line 3: no", (2, 2, 2)),
        ((A, series("dropped"), B), "line 3: no", (3, 2, 2)),
        ((), "line 3: no", (0, 0, 0)),
        ((A, (("__name__", ""),), B), "missing metric name (__name__ label)", (2, 1, 1)),
    ],
)
def test_a_page_that_breaks_off_is_reported_as_far_as_it_was_read(
    read: tuple[Labels, ...], error: str, reported: tuple[int, int, int]
) -> None:
    rule = RelabelConfig(source_labels=("__name__",), regex=regexp("dropped"), action=Action.DROP)
    cache = target_series(rule)
    outcome = take(cache, None, 1, PageError("line 3: no", read))
    found = report_of(outcome)
    names = ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added")
    assert (str(outcome.error), tuple(found[name] for name in names), found["up"]) == (error, reported, 0)
    again = report_of(take(cache, None, 2, PageError("line 3: no", read)))
    assert again["scrape_series_added"] == 0  # they are known by now, as in Prometheus' cache


def test_samples_with_their_own_time_keep_it_and_end_without_a_marker() -> None:
    cache = target_series()
    outcome = take(cache, page((A, 1, 500), (B, 2)), 1000)
    assert page_samples(outcome) == [(final("a"), 1, 500), (final("b"), 2, 1000)]
    assert page_samples(take(cache, page((C, 3)), 2000)) == [
        (final("c"), 3, 2000),
        (final("b"), "stale", 2000),
    ]


def test_track_timestamps_staleness_marks_them_too() -> None:
    cache = target_series(track_timestamps_staleness=True)
    take(cache, page((A, 1, 500), (B, 2)), 1000)
    ended = page_samples(take(cache, page((B, 3)), 2000))
    assert (final("a"), "stale", 2000) in ended


def test_without_honor_timestamps_the_scrapes_time_counts() -> None:
    outcome = take(target_series(honor_timestamps=False), page((A, 1, 500)), 1000)
    assert page_samples(outcome) == [(final("a"), 1, 1000)]


@pytest.mark.parametrize(
    ("second", "expected", "counter"),
    [
        ((A, 2, 600), [(final("a"), 2, 600)], None),
        ((A, 1, 500), [], None),
        ((A, 2, 500), [], "duplicates"),
        ((A, 2, 400), [], "out_of_order"),
        ((A, 2, 2000 + 600_001), [], "out_of_bounds"),
        ((A, 2, 2000 + 600_000), [(final("a"), 2, 602_000)], None),
    ],
)
def test_a_sample_is_taken_if_it_is_newer_and_not_far_ahead(
    second: tuple[tuple[tuple[str, str], ...], float, int],
    expected: list[object],
    counter: str | None,
) -> None:
    cache = target_series()
    take(cache, page((A, 1, 500), (B, 1)), 1000)
    outcome = take(cache, page(second, (B, 2)), 2000)
    assert [each for each in page_samples(outcome) if each[0] == final("a")] == expected
    for name in ("duplicates", "out_of_order", "out_of_bounds"):
        assert getattr(outcome.refused, name) == (name == counter)


def test_a_series_that_is_on_the_page_several_times_goes_into_batches_in_order_of_time() -> None:
    given = page((A, 1, 100), (A, 2, 200), (B, 9), (A, 3, 300), (A, 0, 250))
    outcome = take(target_series(), given, 1000)
    assert [samples_of(batch) for batch in outcome.batches[:-1]] == [
        [(final("a"), 1, 100), (final("b"), 9, 1000)],
        [(final("a"), 2, 200)],
        [(final("a"), 3, 300)],
    ]
    assert outcome.refused.out_of_order == 1


def test_after_pages_with_times_the_quick_way_is_taken_again() -> None:
    cache = target_series()
    take(cache, page((A, 1, 500)), 1000)
    first = page((A, 2))
    take(cache, first, 2000)
    assert take(cache, page((A, 3), like=first), 3000).batches[0].times is None


def test_a_series_of_the_page_comes_before_that_of_the_report() -> None:
    outcome = take(target_series(), page((series("up"), 7), (A, 1)), 1)
    assert (final("up"), 7, 1) in page_samples(outcome)
    assert "up" not in report_of(outcome)
    later = take(target_series(), page((A, 1)), 2)
    assert report_of(later)["up"] == 1


def test_the_end_of_a_target_marks_everything_but_what_lives_elsewhere() -> None:
    cache = target_series()
    take(cache, page((A, 1), (B, 2)), 1000)
    ended = {labels: value for labels, value, _ in samples_of(*cache.end(5000, {final("a")}))}
    assert final("b") in ended
    assert {dict(labels)["__name__"] for labels in ended} == {
        "b",
        "up",
        "scrape_duration_seconds",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
    }
    assert set(ended.values()) == {"stale"}


def test_series_that_vary_while_scrapes_fail_do_not_fill_the_memory() -> None:
    cache = target_series(sample_limit=1)
    for turn in range(6):
        take(cache, page(*((series("a", n=f"{turn}-{index}"), 1.0) for index in range(900))), turn)
    assert len(cache._cache._final) <= 2 * 900 + 1000


def test_an_exemplar_is_passed_on_once_with_the_time_of_its_sample() -> None:
    def with_exemplar(value: float, time: int | None = None) -> tuple[Exemplar, ...]:
        return (Exemplar(index=1, labels=(("trace_id", "t"),), value=value, time=time),)

    drop = RelabelConfig(source_labels=("__name__",), regex=regexp("a"), action=Action.DROP)
    cache = target_series(drop)
    first = page((A, 1), (B, 2), exemplars=with_exemplar(0.5))
    passed = take(cache, first, 1000).batches[0].exemplars
    assert passed == (Exemplar(index=0, labels=(("trace_id", "t"),), value=0.5, time=1000),)
    again = page((A, 1), (B, 2), like=first, exemplars=with_exemplar(0.5))
    assert take(cache, again, 2000).batches[0].exemplars == ()
    newer = page((A, 1), (B, 2), like=first, exemplars=with_exemplar(0.7, 2500))
    assert take(cache, newer, 3000).batches[0].exemplars[0].time == 2500
    older = page((A, 1), (B, 2), like=first, exemplars=with_exemplar(0.8, 2400))
    outcome = take(cache, older, 4000)
    assert outcome.batches[0].exemplars == ()
    assert outcome.exemplars_out_of_order == 1
