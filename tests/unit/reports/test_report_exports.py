"""Answers as files: headings and cells, text that stays text, and memory that does not grow with the rows."""

from __future__ import annotations

import csv
import io
import tempfile
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openpyxl import load_workbook

from admin_api.reports import export_files
from admin_api.reports.errors import TooMuchError
from admin_api.reports.export_files import write_csv, write_xlsx
from admin_api.reports.parsing import parse_question
from admin_api.reports.planner import AnsweredFrom
from admin_api.reports.question import RowPlace, Usual, Viewer
from admin_api.reports.store import Head, MissingRate, ReportRow, Stream

USUAL = Usual("UTC", "EUR", "EUR", datetime(2026, 11, 25, tzinfo=UTC))
FORMULA = '=HYPERLINK("https://evil.example","x")'


def stream_of(parameters: dict[str, str], keys: Iterator[tuple[int | str, ...]], missing: bool = False) -> Stream:
    """Return an answer to a question, with these keys and the same figures in every row."""
    question = parse_question(parameters, Viewer(), USUAL)
    figures = dict.fromkeys(question.figures, 1234)
    previous = dict.fromkeys(question.figures, 0) if question.compare else None
    head = Head(question, AnsweredFrom("rollups"), figures, previous, (MissingRate("USD", "2026-11-02"),) * missing)

    def pages() -> Iterator[tuple[list[ReportRow], dict[str, dict[int, str]]]]:
        for key in keys:
            yield [ReportRow(key, figures, previous, RowPlace(0, key))], {"link": {7: FORMULA}}

    return Stream(head, pages())


def test_a_csv_has_ids_with_names_amounts_and_the_period_before() -> None:
    asked = {"group_by": "day,link,sub1", "columns": "net,revenue,cr", "compare": "previous"}
    file = io.BytesIO()
    write_csv(stream_of(asked, iter([(20_000, 7, FORMULA), (20_001, 0, "")])), file)
    rows = list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"))))
    assert rows[0] == [
        *("day", "link", "link_name", "sub1", "net", "revenue", "cr"),
        *("previous_net", "previous_revenue", "previous_cr"),
    ]
    assert rows[1] == ["2024-10-04", "7", f"'{FORMULA}", f"'{FORMULA}", "1234", "12.34", "200.0", "0", "0.00", ""]
    assert rows[2][1:4] == ["(none)", "", "(none)"]


def test_a_workbook_has_numbers_and_its_text_is_never_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    texts = [FORMULA, "+1", "-2+3", "@SUM(A1)", "#REF!", "a\x00b\x0b", "\ttab", "2026-01-01"]
    with path.open("wb") as file:
        said = write_xlsx(stream_of({"group_by": "sub1", "columns": "net,revenue"}, ((t,) for t in texts), True), file)
    assert any("USD of 2026-11-02" in each for each in said)
    book = load_workbook(path)
    cells = [row[0] for row in book["Report"].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.value for cell in cells][:5] == texts[:5]
    assert cells[5].value == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert [cell.value for cell in book["Report"][2]][1:] == [1234, 12.34]
    about = [[cell.value for cell in row] for row in book["About"].iter_rows()]
    assert ["net", 1234] in about
    assert any("USD of 2026-11-02" in str(row[0]) for row in about)


def test_a_workbook_that_does_not_hold_all_rows_is_refused_and_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(export_files, "SHEET_ROWS_MAX", 3)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TooMuchError, match="CSV"):
        write_xlsx(stream_of({"group_by": "sub1"}, (("x",) for _ in range(3))), io.BytesIO())
    assert list(tmp_path.iterdir()) == []
    whole = io.BytesIO()
    write_xlsx(stream_of({"group_by": "sub1"}, (("x",) for _ in range(2))), whole)
    assert load_workbook(whole)["Report"].max_row == 3


@pytest.mark.parametrize("write", [write_csv, write_xlsx])
def test_the_memory_of_an_export_does_not_grow_with_its_rows(write: export_files.Write, tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        with (tmp_path / str(rows)).open("wb") as file:
            tracemalloc.start()
            write(stream_of({"group_by": "sub1", "columns": "net"}, ((f"value {n}",) for n in range(rows))), file)
            found = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return found

    peak(10)
    assert peak(4000) < peak(500) + 500_000
