"""The central bank's file of rates: what is read of it, and what is refused with the line and the fix."""

from __future__ import annotations

import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from currency_converter import CURRENCY_FILE

from worker.money import RateFileError, read_rates
from worker.money import rate_file as module

TODAY = date(2026, 11, 25)
GOOD = "Date,USD,JPY,\n2026-10-30,1.0857,165.93,\n2026-10-29,1.0815,N/A,\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rates.csv"


def test_a_table_is_read_oldest_first_without_what_is_not_there(path: Path) -> None:
    path.write_text("\ufeff" + GOOD.replace("\n", "\r\n") + "\r\n")
    assert read_rates(path, TODAY) == [
        ("USD", date(2026, 10, 29), Decimal("1.0815")),
        ("USD", date(2026, 10, 30), Decimal("1.0857")),
        ("JPY", date(2026, 10, 30), Decimal("165.93")),
    ]


def test_a_table_without_the_commas_at_the_end_is_the_same(path: Path) -> None:
    path.write_text(GOOD)
    expected = read_rates(path, TODAY)
    path.write_text(GOOD.replace(",\n", "\n"))
    assert read_rates(path, TODAY) == expected


def test_the_installed_package_holds_such_a_file() -> None:
    rates = read_rates(Path(CURRENCY_FILE), TODAY)
    assert rates[0].day == date(1999, 1, 4)
    assert len({rate.currency for rate in rates}) > 30


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("", 1, "not a heading such as Date,USD,JPY"),
        ("<html>\n", 1, "not a heading"),
        ("Date,\n2026-10-30,\n", 1, "not a heading"),
        (GOOD.replace("JPY", "yen"), 1, "'yen' is no currency"),
        (GOOD.replace("JPY", "EUR"), 1, "'EUR' is no currency"),
        (GOOD.replace("JPY", "USD"), 1, "'USD' is there twice"),
        (GOOD.replace("2026-10-29", "29 October 2026"), 3, "'29 October 2026' is not a day such as 2026-11-25"),
        (GOOD.replace("2026-10-29", "2026-02-30"), 3, "'2026-02-30' is not a day"),
        (GOOD.replace("2026-10-29", "2026-10-30"), 3, "2026-10-30 is in line 2 too"),
        (GOOD.replace("2026-10-30", "2026-12-30"), 2, "2026-12-30 has not come yet"),
        (GOOD.replace(",165.93", ""), 2, "3 columns, and the heading has 4"),
        (GOOD.replace("165.93", "165.93,7"), 2, "5 columns, and the heading has 4"),
        (GOOD.replace("1.0815", "-1.0815"), 3, "'-1.0815' is not a rate of USD such as 1.0857"),
        (GOOD.replace("1.0815", "0"), 3, "'0' is not a rate of USD"),
        (GOOD.replace("1.0815", "NaN"), 3, "'NaN' is not a rate of USD"),
        (GOOD.replace("1.0815", "1e5"), 3, "'1e5' is not a rate of USD"),
        (GOOD.replace("1.0857", "10857"), 2, "one euro is 10857 USD, and was 1.0815 before"),
        (GOOD.replace("1.0815", "0.1"), 2, "one euro is 1.0857 USD, and was 0.1 before"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_to_do(path: Path, content: str, line: int, said: str) -> None:
    path.write_text(content)
    with pytest.raises(RateFileError) as refused:
        read_rates(path, TODAY)
    assert refused.value.message.startswith(f"rates.csv, line {line}: {said}")
    assert refused.value.message.endswith("; get eurofxref-hist.zip from the European Central Bank again")


def test_a_table_without_any_rate_is_refused(path: Path) -> None:
    path.write_text("Date,USD,\n2026-10-30,N/A,\n")
    with pytest.raises(RateFileError, match=r"rates\.csv holds no rate"):
        read_rates(path, TODAY)


@pytest.mark.parametrize(("names", "said"), [([], "holds 0 .csv files"), (["a.csv", "b.csv"], "holds 2 .csv files")])
def test_an_archive_holds_one_table(tmp_path: Path, names: list[str], said: str) -> None:
    path = tmp_path / "rates.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")
        for name in names:
            archive.writestr(name, GOOD)
    with pytest.raises(RateFileError, match=said):
        read_rates(path, TODAY)


def test_an_archive_is_unpacked_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE_BYTES_MAX", 1000)
    path = tmp_path / "rates.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rates.csv", GOOD + "\n" * 1_000_000)
    with pytest.raises(RateFileError, match="larger than any file of rates"):
        read_rates(path, TODAY)


@pytest.mark.parametrize("content", [b"PK\x05\x06" + bytes(18), b"\xff\xfe\x00", bytes(range(256))])
def test_what_is_no_table_at_all_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(RateFileError):
        read_rates(path, TODAY)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RateFileError, match=r"nowhere.csv cannot be read: No such file"):
        read_rates(tmp_path / "nowhere.csv", TODAY)
