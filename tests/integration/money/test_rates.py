"""Exchange rates from the central bank's file into PostgreSQL, what bookkeeping finds there, and how old they are."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import worker_cases as cases
from money_cases import Books, opened_books
from tracking.money import AppliedRate
from worker import rates_command
from worker.money import RateFileError, book_changes, book_postponed, load_rates, read_rates, save_rates
from worker.money.rate_loading import FIRST_DAY
from worker.money.rates import Rates
from worker.runtime import install

ROOT = Path(__file__).resolve().parents[3]
TODAY = date(2026, 11, 25)
FILE = (
    "Date,USD,JPY,BGN,\n2026-10-30,1.0857,165.93,N/A,\n2026-10-29,1.0815,165.52,1.9558,\n2019-12-31,1.1,121.9,1.9558,\n"
)


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        yield books


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eurofxref-hist.csv"


def load(books: Books, path: Path, content: str) -> tuple[int, int]:
    """Load a file with some content; return how many rates are new and how many were corrected."""
    path.write_text(content)
    loaded = save_rates(books.connection, path, read_rates(path, TODAY))
    return loaded.added, loaded.corrected


def stored(books: Books) -> list[tuple[object, ...]]:
    return books.connection.execute(
        "select origin, base, quote, rate_date::text, rate from exchange_rates order by quote, rate_date, origin"
    ).fetchall()


def run_task(books: Books, path: Path | None, today: date = TODAY) -> None:
    """Run the task on a day."""
    at_s = datetime(today.year, today.month, today.day, 12, tzinfo=UTC).timestamp()
    install(replace(books.used, rates_file=path, now_s=lambda: at_s))
    load_rates()


def stale(books: Books) -> list[tuple[Any, ...]]:
    return books.connection.execute(
        "select subject_key, state, count, reopened from issues where kind = 'rates-stale' order by issue_id"
    ).fetchall()


def test_a_file_of_the_bank_is_loaded_once_and_corrected(books: Books, path: Path) -> None:
    expected = [
        ("ecb", "EUR", "BGN", "2026-10-29", Decimal("1.9558")),
        ("ecb", "EUR", "JPY", "2026-10-29", Decimal("165.52")),
        ("ecb", "EUR", "JPY", "2026-10-30", Decimal("165.93")),
        ("ecb", "EUR", "USD", "2026-10-29", Decimal("1.0815")),
        ("ecb", "EUR", "USD", "2026-10-30", Decimal("1.0857")),
    ]
    assert load(books, path, FILE) == (5, 0)
    assert stored(books) == expected
    assert load(books, path, FILE) == (0, 0)
    assert load(books, path, FILE.replace("165.93", "165.94")) == (0, 1)
    assert stored(books)[2][4] == Decimal("165.94")


def test_a_file_fills_a_gap_that_a_shorter_one_left(books: Books, path: Path) -> None:
    assert load(books, path, "Date,USD,\n2026-10-01,1.08,\n") == (1, 0)
    assert load(books, path, "Date,USD,\n2026-11-24,1.1,\n") == (1, 0)
    assert load(books, path, "Date,USD,\n2026-11-24,1.1,\n2026-10-30,1.09,\n2026-10-01,1.08,\n") == (1, 0)


def test_an_older_file_adds_and_corrects_nothing_that_a_newer_one_said(books: Books, path: Path) -> None:
    load(books, path, "Date,USD,\n2026-11-24,1.1,\n2026-10-30,1.09,\n")
    assert load(books, path, "Date,USD,\n2026-10-30,1.02,\n2026-10-29,1.01,\n") == (1, 0)
    assert [row[4] for row in stored(books)] == [Decimal("1.01"), Decimal("1.09"), Decimal("1.1")]


def test_an_operators_rates_are_not_touched(books: Books, path: Path) -> None:
    books.rate("USD", "2", origin="operator")
    load(books, path, FILE)
    of_the_day = [row for row in stored(books) if row[2:4] == ("USD", "2026-10-30")]
    assert [(row[0], row[4]) for row in of_the_day] == [("ecb", Decimal("1.0857")), ("operator", Decimal(2))]
    assert Rates(books.connection)("EUR", "USD", date(2026, 10, 30)) == AppliedRate(Decimal(2), date(2026, 10, 30))


def test_two_loads_at_once_both_end(books: Books, path: Path, database_url: str, redis_url: str) -> None:
    path.write_text(FILE)
    turned = path.with_name("turned.csv")
    turned.write_text("Date,JPY,USD,\n2026-10-29,165.52,1.0815,\n2026-10-30,165.93,1.0857,\n")

    def work(file: Path) -> int:
        own = cases.resources(database_url, redis_url)
        rates = read_rates(file, TODAY)
        added = sum(own.database.run(lambda connection: save_rates(connection, file, rates)).added for _ in range(20))
        cases.close(own)
        return added

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, [path, turned] * 2)) == 5
    assert books.value("select deadlocks from pg_stat_database where datname = current_database()") == 0


def test_the_installed_packages_rates_are_loaded(books: Books) -> None:
    run_task(books, None)
    assert books.value("select count(*) from exchange_rates") > 30_000
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
    run_task(books, path)
    run_task(books, tmp_path / "nowhere.csv")
    assert [message.split()[0] for message in caplog.messages] == ["rates-unreadable"] * 2
    assert len(stored(books)) == 1


def test_a_file_far_from_what_is_stored_is_refused_and_its_whole_history_corrects(books: Books, path: Path) -> None:
    load(books, path, "Date,USD,\n2026-10-30,10857,\n")
    right = "Date,USD,\n2026-11-24,1.1,\n"
    with pytest.raises(RateFileError, match=r"on 2026-11-24 one euro is 1.1 USD, and on 2026-10-30 it was 10857"):
        load(books, path, right)
    assert load(books, path, f"{right}2026-10-30,1.0857,\n") == (1, 1)


def test_old_rates_are_one_issue_until_newer_ones_are_there(books: Books, path: Path) -> None:
    path.write_text(FILE)
    run_task(books, path, date(2026, 11, 6))
    assert stale(books) == []
    for _ in range(3):
        run_task(books, path)
    assert stale(books) == [("ecb:2026-10-30", "open", 1, 0)]
    path.write_text(FILE.replace("2026-10-29", "2026-11-20"))
    run_task(books, path)
    assert stale(books) == [("ecb:2026-10-30", "resolved", 1, 0)]
    run_task(books, path, date(2026, 12, 1))
    assert [row[:2] for row in stale(books)] == [("ecb:2026-10-30", "resolved"), ("ecb:2026-11-20", "open")]


def test_an_issue_of_old_rates_that_an_operator_resolved_stays_resolved(books: Books, path: Path) -> None:
    path.write_text(FILE)
    run_task(books, path)
    books.connection.execute("update issues set state = 'resolved', resolved_at = now()")
    run_task(books, path)
    assert stale(books) == [("ecb:2026-10-30", "resolved", 1, 0)]


def test_no_rates_at_all_are_an_issue_too(books: Books, tmp_path: Path) -> None:
    run_task(books, tmp_path / "nowhere.csv")
    assert stale(books) == [("ecb:none", "open", 1, 0)]
    books.rate("USD", "1.25", "2026-11-24")
    run_task(books, tmp_path / "nowhere.csv")
    assert stale(books) == [("ecb:none", "resolved", 1, 0)]


class Terminal:
    """An operator who runs the command."""

    def __init__(self, database_url: str, redis_url: str, home: Path) -> None:
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "WAYPOST_HOME": str(home),
            "CLICK_ID_KEYS": cases.KEY.hex(),
        }

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit status and what was written to standard output and standard error."""
        ended = subprocess.run(
            [sys.executable, "-m", "worker", *arguments],
            cwd=ROOT,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def terminal(database_url: str, redis_url: str, home: Path) -> Terminal:
    return Terminal(database_url, redis_url, home)


def test_one_command_loads_a_file_and_what_waited_for_it_is_booked(
    books: Books, tmp_path: Path, terminal: Terminal
) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    books.plan(revshare_percent=40)
    books.conversion("deposit", currency="EUR", received_at=datetime.now(UTC))
    book_changes(books.used)
    path = tmp_path / "eurofxref-hist.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("eurofxref-hist.csv", f"Date,USD,\n{yesterday},1.25,\n2026-10-30,1.2,\n")
    status, said, complaint = terminal.run("rates", str(path))
    assert (status, complaint) == (0, "")
    assert said.splitlines()[:2] == [
        f"eurofxref-hist.zip: 2 days from 2026-10-30 to {yesterday}, 1 currencies",
        "2 rates are new, 0 were corrected",
    ]
    assert f"the newest rates are of {yesterday}, 1 days old" in said
    book_postponed()
    assert books.entries()[-1] == ("source", "commission", 2500, "USD")
    status, said, _ = terminal.run("rates", str(path))
    assert (status, said.splitlines()[1]) == (0, "0 rates are new, 0 were corrected")


def test_the_command_names_the_line_that_is_wrong_and_loads_nothing(
    books: Books, path: Path, terminal: Terminal
) -> None:
    path.write_text(FILE.replace("165.52", "much"))
    status, said, complaint = terminal.run("rates", str(path))
    assert (status, said) == (1, "")
    assert complaint == (
        "rates: eurofxref-hist.csv, line 3: 'much' is not a rate of JPY such as 1.0857;"
        " get eurofxref-hist.zip from the European Central Bank again\n"
    )
    assert stored(books) == []


def test_the_command_resolves_the_issue_at_once(books: Books, path: Path, terminal: Terminal) -> None:
    path.write_text(FILE)
    run_task(books, path)
    path.write_text(f"Date,USD,\n{datetime.now(UTC).date()},1.1,\n")
    assert terminal.run("rates", str(path))[0] == 0
    assert [state for _, state, _, _ in stale(books)] == ["resolved"]


@pytest.mark.parametrize("arguments", [[], ["one", "two"], ["--help"]])
def test_wrong_usage_of_the_command_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert rates_command.main(arguments) == 2
    assert capsys.readouterr().err == f"{rates_command.USAGE}\n"
