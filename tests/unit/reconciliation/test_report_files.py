"""Files of reports on their own: delimited text and workbooks, row by row, and how their headings name columns."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.http import InvalidFieldsError, csv_pieces
from admin_api.http.csv_export import PIECE_CHARACTERS, csv_cell
from admin_api.http.delimited import LINE_CHARACTERS_MAX, RECORD_LINES_MAX, Unreadable, delimited_rows
from admin_api.reconciliation.report_rules import place_of
from admin_api.reconciliation.report_settings import ReportSettings, parse_settings
from tracking.runtime import FieldError


def read(data: bytes, encoding: str = "utf-8", delimiter: str = ",") -> list[list[str] | Unreadable]:
    return list(delimited_rows(io.BytesIO(data), encoding, delimiter))


def test_rows_come_as_they_are_written() -> None:
    assert read(b'a,"b ""c""\r\nd"\r\n\r\ne,\n') == [["a", 'b "c"\r\nd'], [], ["e", ""]]
    assert read(b"a\rb\r") == [["a"], ["b"]]
    assert read(b"") == []


def test_a_nul_stays_in_its_cell_for_the_cell_to_be_refused() -> None:
    assert read(b"abcde,a\x00b\n") == [["abcde", "a\x00b"]]


def test_a_row_whose_quotes_do_not_fit_is_one_row_and_the_next_goes_on() -> None:
    first, second = read(b'"a"b,c\nd,e\n')
    assert isinstance(first, Unreadable)
    assert "doubling" in first.fix
    assert second == ["d", "e"]


def test_a_quote_that_is_never_closed_ends_reading() -> None:
    with pytest.raises(FieldError, match=f"not closed in {RECORD_LINES_MAX} lines"):
        read(b'a\n"b\n' + b"c\n" * RECORD_LINES_MAX)
    (unreadable,) = read(b'"b\nc\n')
    assert isinstance(unreadable, Unreadable)


def test_a_line_without_end_is_not_read_into_memory() -> None:
    class Endless(io.RawIOBase):
        """Zeroes for ever."""

        taken = 0

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def readinto(self, buffer: Any) -> int:
            self.taken += len(buffer)
            buffer[:] = b"0" * len(buffer)
            return len(buffer)

    endless = Endless()
    with pytest.raises(FieldError, match="a line has"):
        list(delimited_rows(io.BufferedReader(endless), "utf-8", ","))  # type: ignore[arg-type]
    assert endless.taken < 4 * LINE_CHARACTERS_MAX


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), min_size=2, max_size=4)))
def test_what_the_export_writes_reads_back_but_for_the_quote_that_disarms_formulas(rows: list[list[str]]) -> None:
    written = b"".join(csv_pieces(["heading", "heading 2"], rows))
    assert read(written)[1:] == [[csv_cell(cell) for cell in row] for row in rows]
    assert not any(csv_cell(cell)[:1] in ("=", "+", "@", "\t", "\r", "\n") for row in rows for cell in row if cell)


def test_a_large_export_comes_in_pieces() -> None:
    pieces = list(csv_pieces(["a"], (["x" * 100] for _ in range(3000))))
    assert len(pieces) > 5
    assert max(map(len, pieces)) < PIECE_CHARACTERS + 200
    assert pieces[0].startswith(b"\xef\xbb\xbfa\r\n")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "-1"),
        ("-1.25", "-1.25"),
        ("-1-1", "'-1-1"),
        ("- 1", "'- 1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\n=x", "'\n=x"),
        (" =x", " =x"),
        ("", ""),
        (None, ""),
        (-5, "-5"),
        ("-٣", "'-٣"),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_made_text(cell: Any, shown: str) -> None:
    assert csv_cell(cell) == shown


def test_a_heading_is_found_by_its_words_or_its_number() -> None:
    header = ["Date", " Amount ", "amount", 7]
    assert [place_of(each, header, "f") for each in (1, "Date", "date", "Amount", "amount", "7")] == [0, 0, 0, 1, 2, 3]
    with pytest.raises(FieldError, match="2, 3"):
        place_of("AMOUNT", header, "f")
    with pytest.raises(FieldError, match="must be a number"):
        place_of("Date", None, "f")


def parse(**changes: Any) -> ReportSettings:
    said = {"merchant_id": 1, "from": "2026-10-01", "to": "2026-10-31", "format": "xlsx", "columns": {"order_id": 1}}
    return parse_settings(orjson.dumps(said | changes))


def test_settings_are_kept_with_their_defaults() -> None:
    stated = parse(statuses={"Paid": "approved"}).stated()
    assert stated["statuses"] == {"paid": "approved"}
    assert (stated["encoding"], stated["header_row"], stated["time_zone"]) == ("utf-8", 1, "UTC")
    assert (stated["from"], stated["to"], stated["columns"]) == ("2026-10-01", "2026-10-31", {"order_id": 1})


BAD = [
    ({"format": "ods"}, "format"),
    ({"from": "01.10.2026"}, "from"),
    ({"to": "2030-01-01"}, "to"),
    ({"from": "9999-12-31", "to": "9999-12-31"}, "from"),
    ({"columns": {}}, "columns"),
    ({"columns": []}, "columns"),
    ({"columns": {"order_id": 0}}, "columns.order_id"),
    ({"columns": {"order_id": True}}, "columns.order_id"),
    ({"columns": {"order_id": None}}, "columns.order_id"),
    ({"statuses": {"paid": "settled"}}, "statuses.paid"),
    ({"statuses": ["paid"]}, "statuses"),
    ({"events": {"x": 1}}, "events.x"),
    ({"only_events": []}, "only_events"),
    ({"only_events": [1]}, "only_events[0]"),
    ({"statuses": {"Paid": "approved", "PAID": "pending"}}, "statuses"),
    ({"events": {"": "ftd"}}, "events."),
    ({"columns": {"order_id": "x" * 201}}, "columns.order_id"),
    ({"columns": {"order_id": "a\x00b"}}, "columns.order_id"),
    ({"encoding": "latin-9"}, "encoding"),
    ({"delimiter": "::"}, "delimiter"),
    ({"decimal_separator": "'"}, "decimal_separator"),
    ({"time_zone": "; drop table"}, "time_zone"),
    ({"date_format": "DD.MM"}, "date_format"),
    ({"header_row": -1}, "header_row"),
    ({"colour": 1}, "colour"),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_a_setting_that_means_nothing_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        parse(**changes)
    assert caught.value.field == field


def test_settings_that_mean_nothing_are_named_together() -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        parse(format="ods", columns={"order_id": 0, "colour": 1}, statuses={"paid": "settled"}, to=3)
    named = [error.field for error in caught.value.errors]
    assert named == ["to", "format", "columns.order_id", "columns.colour", "statuses.paid"]


def test_settings_that_do_not_fit_each_other_are_named_together() -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        parse(format="csv", to="2028-01-01", columns={"order_id": 1, "date": 2, "amount": 3})
    assert [(error.field, error.code) for error in caught.value.errors] == [
        ("to", "invalid-field"),
        ("decimal_separator", "missing-field"),
        ("date_format", "missing-field"),
    ]
