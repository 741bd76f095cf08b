"""Money: decimal text to minor units and back, without rounding and without floats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.money import AMOUNT_MINOR_MAX, format_amount, minor_digits, parse_amount, parse_currency
from tracking.runtime import FieldError


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("25", "USD", 2500),
        ("25.5", "USD", 2550),
        (" 25.00 ", "USD", 2500),
        ("0.10", "EUR", 10),
        ("0", "USD", 0),
        ("100", "JPY", 100),
        ("100.00", "JPY", 100),
        ("1.234", "BHD", 1234),
        ("1.5", "BHD", 1500),
        ("25.000000", "USD", 2500),
    ],
)
def test_amount_is_read_in_minor_units(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("", "USD"),
        ("abc", "USD"),
        ("1e3", "USD"),
        ("NaN", "USD"),
        ("Infinity", "USD"),
        ("0x10", "USD"),
        ("1,50", "USD"),
        ("1_000", "USD"),
        ("$5", "USD"),
        (".5", "USD"),
        ("5.", "USD"),
        ("+5", "USD"),
        ("--5", "USD"),
        ("-5", "USD"),
        ("25.001", "USD"),
        ("0.5", "JPY"),
        ("1.2345", "BHD"),
        ("1.0000000", "USD"),
        ("9" * 16, "USD"),
        ("9" * 15, "USD"),
        ("\u0665", "USD"),
    ],
)
def test_what_is_no_amount_is_refused_with_the_field_named(text: str, currency: str) -> None:
    with pytest.raises(FieldError) as refusal:
        parse_amount(text, currency, "revenue")
    assert refusal.value.field == "revenue"


@given(minor=st.integers(0, AMOUNT_MINOR_MAX // 1000), currency=st.sampled_from(["USD", "JPY", "BHD", "EUR", "XXX"]))
def test_what_is_written_is_read_back(minor: int, currency: str) -> None:
    assert parse_amount(format_amount(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (2500, "USD", "25.00"),
        (5, "USD", "0.05"),
        (100, "JPY", "100"),
        (1, "BHD", "0.001"),
        (0, "USD", "0.00"),
        (-250, "USD", "-2.50"),
    ],
)
def test_amount_is_written_with_the_decimals_of_its_currency(minor: int, currency: str, text: str) -> None:
    assert format_amount(minor, currency) == text


def test_currency_is_read_in_any_case() -> None:
    assert parse_currency(" usd ") == "USD"
    assert [minor_digits(code) for code in ("USD", "JPY", "BHD")] == [2, 0, 3]


@pytest.mark.parametrize("text", ["", "US", "USDT", "U$D", "\u00e9\u00e9\u00e9", "123"])
def test_what_is_no_currency_is_refused(text: str) -> None:
    with pytest.raises(FieldError):
        parse_currency(text)
