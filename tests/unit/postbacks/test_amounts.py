"""Amounts as merchants write them: one reading is taken, two readings are refused and both are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.money import AMOUNT_MINOR_MAX, format_amount
from tracking.postbacks.amounts import JsonNumber, WrittenAmount, parse_written_amount
from tracking.runtime import FieldError


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("25", "USD", 2500),
        ("25.00", "USD", 2500),
        ("25.5", "USD", 2550),
        ("25,00", "USD", 2500),
        ("25,5", "EUR", 2550),
        ("0.10", "USD", 10),
        ("0,10", "USD", 10),
        (".5", "USD", 50),
        ("5.", "USD", 500),
        ("0.500", "USD", 50),
        ("1.234,56", "EUR", 123456),
        ("1,234.56", "USD", 123456),
        ("1 234,56", "EUR", 123456),
        ("1\u00a0234,56", "EUR", 123456),
        ("1\u202f234\u202f567,8", "EUR", 123456780),
        ("1'234.50", "CHF", 123450),
        ("1\u2019234.50", "CHF", 123450),
        ("1.234.567", "EUR", 123456700),
        ("1,234,567", "USD", 123456700),
        ("1,234,567.89", "USD", 123456789),
        ("1 234", "USD", 123400),
        ("12345,67", "USD", 1234567),
        ("1234.500", "USD", 123450),
        ("25.000000", "USD", 2500),
        ("100", "JPY", 100),
        ("100.00", "JPY", 100),
        ("1.234", "BHD", 1234),
        ("1,234.500", "BHD", 1234500),
        ("$25", "USD", 2500),
        ("25$", "USD", 2500),
        ("$ 1,234.56", "CAD", 123456),
        ("€ 25", "EUR", 2500),
        ("25 €", "EUR", 2500),
        ("£1,000.50", "GBP", 100050),
        ("¥100", "JPY", 100),
        ("R$ 10,50", "BRL", 1050),
        ("10,50 zł", "PLN", 1050),
        ("USD 25", "USD", 2500),
        ("25 usd", "USD", 2500),
    ],
)
def test_an_amount_with_one_reading_is_read(text: str, currency: str, minor: int) -> None:
    assert parse_written_amount(text, currency)[:2] == (minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "first", "second"),
    [
        ("1.234", "USD", "1234", "1.234"),
        ("1,234", "USD", "1234", "1.234"),
        ("25,000", "EUR", "25000", "25.000"),
        ("999.999", "USD", "999999", "999.999"),
        ("1.234", "JPY", "1234", "1.234"),
        ("1,234", "JPY", "1234", "1.234"),
        ("1,234", "BHD", "1234", "1.234"),
        ("$1.234", "USD", "1234", "1.234"),
    ],
)
def test_an_amount_with_two_readings_is_refused_and_both_are_named(
    text: str, currency: str, first: str, second: str
) -> None:
    with pytest.raises(FieldError, match="two readings") as refusal:
        parse_written_amount(text, currency, field="payout")
    assert refusal.value.field == "payout"
    assert f"readings, {first} and {second};" in refusal.value.message


@pytest.mark.parametrize(
    ("text", "separator", "minor"),
    [
        ("1.234", ",", 123400),
        ("1,234", ".", 123400),
        ("1,23", ",", 123),
        ("1.23", ".", 123),
        ("25", ",", 2500),
        ("1.234.567,5", ",", 123456750),
    ],
)
def test_an_account_that_names_its_separator_is_taken_by_its_word(text: str, separator: str, minor: int) -> None:
    assert parse_written_amount(text, "USD", decimal_separator=separator).amount_minor == minor


@pytest.mark.parametrize(
    ("text", "separator"), [("1.23", ","), ("1,23", "."), ("12.34.567", ","), ("1.2345", ","), ("1.234", ".")]
)
def test_an_amount_against_the_accounts_separator_is_refused(text: str, separator: str) -> None:
    with pytest.raises(FieldError):
        parse_written_amount(text, "USD", decimal_separator=separator)


def test_a_dot_in_a_json_number_is_the_decimal_point_whatever_the_account_writes() -> None:
    assert parse_written_amount(JsonNumber("1234.5"), "USD", decimal_separator=",").amount_minor == 123450
    assert parse_written_amount(JsonNumber("1.500"), "BHD").amount_minor == 1500
    with pytest.raises(FieldError, match="more decimals than USD"):
        parse_written_amount(JsonNumber("1.234"), "USD", decimal_separator=",")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "1e3",
        "1e400",
        "NaN",
        "Infinity",
        "-inf",
        "0x10",
        "1_000",
        "--5",
        "5-",
        "+5",
        "(25.00)",
        "1,23,456.78",
        "1.23.45",
        "1.2,3.4",
        "1,234,56",
        "12 34",
        ".",
        ",",
        "$",
        "€",
        "$25 USD",
        "USD 25 USD",
        "25 pcs",
        "25 abc",
        "25 XYZ",
        "9" * 16,
        "9" * 41,
        "1" + ",000" * 9,
        "25.001",
        "0.123",
        "\u0665",
        "\uff12\uff15",
        "25\x00",
        "2\x005",
        "25%",
        "twenty-five",
    ],
)
def test_what_is_no_amount_is_refused_with_the_field_named(text: str) -> None:
    with pytest.raises(FieldError) as refusal:
        parse_written_amount(text, "USD", field="revenue")
    assert refusal.value.field == "revenue"


@pytest.mark.parametrize("text", ["-25", "- 25", "-$25", "$-25", "\u221225", "-1.234,56", "-0.01"])
def test_a_negative_amount_is_refused_with_the_way_to_report_a_chargeback(text: str) -> None:
    with pytest.raises(FieldError, match=r"must not be negative.*status=reversed"):
        parse_written_amount(text, "USD")


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("€25", "USD"),
        ("$25", "EUR"),
        ("£25", "USD"),
        ("¥100", "USD"),
        ("US$25", "CAD"),
        ("25 EUR", "USD"),
        ("R$5", "USD"),
    ],
)
def test_a_sign_that_contradicts_the_currency_is_refused(text: str, currency: str) -> None:
    with pytest.raises(FieldError, match=f"but currency is {currency}"):
        parse_written_amount(text, currency)


def test_without_a_currency_sent_a_sign_must_fit_the_accounts_and_a_code_stands_for_itself() -> None:
    assert parse_written_amount("$25", "CAD", is_stated=False) == WrittenAmount(2500, "CAD", False)
    assert parse_written_amount("25 JPY", "USD", is_stated=False) == WrittenAmount(25, "JPY", False)
    with pytest.raises(FieldError, match="no currency is sent and the account's is USD"):
        parse_written_amount("€25", "USD", is_stated=False)


def test_only_digits_and_a_point_count_as_plain() -> None:
    assert [parse_written_amount(text, "USD").is_plain for text in ("25", "25.50", "25,50", "$25", ".5")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@given(minor=st.integers(0, AMOUNT_MINOR_MAX), currency=st.sampled_from(["USD", "JPY", "BHD", "EUR"]))
def test_every_amount_as_we_write_it_is_read_back(minor: int, currency: str) -> None:
    written = format_amount(minor, currency)
    assert parse_written_amount(written, currency) == WrittenAmount(minor, currency, True)


@given(minor=st.integers(0, AMOUNT_MINOR_MAX), separators=st.sampled_from([",.", ".,", " ,", "'.", "\u00a0,"]))
def test_every_grouped_amount_is_read_back_or_refused_and_never_read_as_another(minor: int, separators: str) -> None:
    group, point = separators
    text = f"{minor // 100:,}.{minor % 100:02}".translate({ord(","): group, ord("."): point})
    assert parse_written_amount(text, "EUR").amount_minor == minor


@given(st.text(max_size=60))
def test_any_text_is_an_amount_or_a_field_error(text: str) -> None:
    try:
        amount = parse_written_amount(text, "USD", is_stated=False)
    except FieldError:
        return
    assert 0 <= amount.amount_minor <= AMOUNT_MINOR_MAX
