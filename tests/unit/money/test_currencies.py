"""Money: decimal text to minor units and back, without rounding and without floats."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.money import AMOUNT_MINOR_MAX, format_amount, is_currency, minor_digits, parse_amount, parse_currency
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


@given(minor=st.integers(0, AMOUNT_MINOR_MAX // 1000), currency=st.sampled_from(["USD", "JPY", "BHD", "EUR", "CLF"]))
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
    assert [parse_currency(text) for text in (" usd ", "Eur", "JPY")] == ["USD", "EUR", "JPY"]


@pytest.mark.parametrize(
    ("code", "digits"), [("USD", 2), ("EUR", 2), ("MGA", 2), ("JPY", 0), ("ISK", 0), ("UGX", 0), ("BHD", 3), ("CLF", 4)]
)
def test_a_currency_has_the_minor_digits_that_iso_4217_gives_it(code: str, digits: int) -> None:
    assert is_currency(code)
    assert minor_digits(code) == digits


@pytest.mark.parametrize("text", ["", "US", "USDT", "U$D", "\u00e9\u00e9\u00e9", "123", "840", "\u0131qd", "\ufb01m"])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="must be a three-letter ISO 4217 code"):
        parse_currency(text)


@pytest.mark.parametrize(
    "code",
    [
        *("ZZZ", "AAA"),
        # Withdrawn: German mark, Croatian kuna, Bulgarian lev.
        *("DEM", "HRK", "BGN"),
        # Tests, none, gold, special drawing rights: nothing that has minor units.
        *("XTS", "XXX", "XAU", "XDR"),
    ],
)
@pytest.mark.parametrize("written", [str.upper, str.lower])
def test_a_code_that_is_no_currency_in_use_is_refused_by_name(code: str, written: Callable[[str], str]) -> None:
    with pytest.raises(FieldError, match=f"payout_currency {code} is not a currency of ISO 4217 in use") as refusal:
        parse_currency(written(code), "payout_currency")
    assert refusal.value.field == "payout_currency"
    assert not is_currency(code)


def test_an_amount_whose_currency_was_withdrawn_after_it_was_stored_is_still_shown() -> None:
    assert format_amount(2500, "BGN") == "25.00"
