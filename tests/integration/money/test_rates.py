"""Exchange rates from the central bank's file into PostgreSQL, and what bookkeeping finds there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from money_cases import Books, opened_books
from tracking.money import AppliedRate
from worker.money import load_rates
from worker.money.rates import FIRST_DAY, Rates, load_file
from worker.runtime import install

FILE = (
    "Date,USD,JPY,BGN,\n2026-10-30,1.0857,165.93,N/A,\n2026-10-29,1.0815,165.52,1.9558,\n2019-12-31,1.1,121.9,1.9558,\n"
)


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        yield books


def stored(books: Books) -> list[tuple[object, ...]]:
    return books.connection.execute(
        "select origin, base, quote, rate_date::text, rate from exchange_rates order by quote, rate_date"
    ).fetchall()


def test_a_file_of_the_bank_is_loaded_once_and_corrected(books: Books, tmp_path: Path) -> None:
    path = tmp_path / "eurofxref-hist.csv"
    path.write_text(FILE)
    expected = [
        ("ecb", "EUR", "BGN", "2026-10-29", Decimal("1.9558")),
        ("ecb", "EUR", "JPY", "2026-10-29", Decimal("165.52")),
        ("ecb", "EUR", "JPY", "2026-10-30", Decimal("165.93")),
        ("ecb", "EUR", "USD", "2026-10-29", Decimal("1.0815")),
        ("ecb", "EUR", "USD", "2026-10-30", Decimal("1.0857")),
    ]
    assert load_file(books.connection, path) == 5
    assert stored(books) == expected
    assert load_file(books.connection, path) == 0
    path.write_text(FILE.replace("165.93", "165.94").replace("2019", "2020"))
    # Of the year 2020 nothing is looked for any more: newer days are there.
    assert load_file(books.connection, path) == 1
    assert stored(books)[2][4] == Decimal("165.94")


def test_the_installed_packages_rates_are_loaded(books: Books) -> None:
    loaded = load_file(books.connection, None)
    assert loaded == books.value("select count(*) from exchange_rates") > 30_000
    assert books.value("select min(rate_date) from exchange_rates") >= FIRST_DAY
    newest = books.value("select max(rate_date) from exchange_rates")
    find = Rates(books.connection)
    rate = books.value("select rate from exchange_rates where quote = 'USD' and rate_date = %s", newest)
    assert find("EUR", "USD", newest + timedelta(days=7)) == AppliedRate(rate, newest)
    assert find("EUR", "USD", newest + timedelta(days=8)) is None


def test_a_look_up_is_of_what_counts_on_the_day(books: Books) -> None:
    books.rate("USD", "1.25")
    books.rate("USD", "1.5", "2026-10-01", origin="operator", valid_days=3)
    find = Rates(books.connection)
    assert find("EUR", "USD", date(2026, 10, 30)) == AppliedRate(Decimal("1.25"), date(2026, 10, 30))
    assert find("USD", "EUR", date(2026, 10, 4)) == AppliedRate(Decimal("0.666666666667"), date(2026, 10, 1))
    assert find("EUR", "USD", date(2026, 10, 5)) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"no rates at all", b"PK\x03\x04 broken", b"Date,USD,\nsoon,1.1,\n", b"Date,USD,\n2026-10-30,one,\n"],
)
@pytest.mark.parametrize("name", ["rates.csv", "rates.zip"])
def test_a_file_that_cannot_be_read_leaves_what_is_there(
    books: Books, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, name: str
) -> None:
    books.rate("USD", "1.25")
    caplog.set_level(logging.ERROR, "waypost.worker")
    path = tmp_path / name
    path.write_bytes(content)
    install(replace(books.used, rates_file=path))
    load_rates()
    install(replace(books.used, rates_file=tmp_path / "nowhere.csv"))
    load_rates()
    assert [message.split()[0] for message in caplog.messages] == ["rates-unreadable"] * 2
    assert len(stored(books)) == 1
