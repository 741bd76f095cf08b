"""Reconciliation on a real database: what is missing, different or equal, and what a hostile file may not do."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from falcon.testing import Result, StartResponseMock, create_environ

from admin_api.app import create_app
from admin_api.http import NotFoundError, uploads
from admin_api.reconciliation import export, report_rows, workbooks
from admin_api.reconciliation.matching import Period, compare_report
from admin_api.reconciliation.report_rows import Line
from admin_api.reconciliation.report_settings import parse_settings
from admin_api.reconciliation.row_table import load_figures
from admin_api.runtime import Database
from admin_client import AdminClient
from documented import assert_as_documented
from reports import (
    COLUMNS,
    HEADING,
    NOON,
    add_conversion,
    click_id,
    csv_file,
    form,
    post_form,
    row,
    settings,
    upload,
    with_parts,
    xlsx_file,
)
from tracking.clicks import encode_dyn
from tracking.reconciliation import ReportRow, RowClass


@pytest.fixture
def merchant_id(admin: AdminClient) -> int:
    return int(admin.merchant(currency="USD")["merchant_id"])


def compared(admin: AdminClient, result: Result) -> list[dict[str, Any]]:
    """Return all rows of a run that was made."""
    assert result.status_code == 201, result.text
    assert result.headers["location"] == f"/v1/reconciliations/{result.json['reconciliation_id']}"
    listed = admin.request("GET", f"{result.headers['location']}/rows?limit=500")
    assert listed.status_code == 200, listed.text
    rows: list[dict[str, Any]] = listed.json["items"]
    return rows


def classes(rows: list[dict[str, Any]]) -> list[tuple[int | None, str]]:
    return [(each["row_number"], each["class"]) for each in rows]


def problem(result: Result) -> tuple[int, str | None, str]:
    assert result.headers["content-type"] == "application/problem+json", result.text
    return result.status_code, result.json.get("field"), result.json["detail"]


def count(database: Database, table: str) -> int:
    found = database.execute(f"select count(*) as rows from {table}".encode()).fetchone()
    assert found is not None
    return int(found["rows"])


def test_each_row_and_each_conversion_of_the_period_has_its_class(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    equal = add_conversion(database, merchant_id, order_id="A-1")
    amount = add_conversion(database, merchant_id, order_id="A-2", payout_minor=2400)
    status = add_conversion(database, merchant_id, order_id="A-3", status="pending")
    only_here = add_conversion(database, merchant_id, order_id="A-9")
    add_conversion(database, merchant_id, order_id="A-10", status="rejected")
    add_conversion(database, merchant_id, order_id="A-11", received_at=NOON - timedelta(days=30))
    add_conversion(database, merchant_id + 1, order_id="A-4")
    file = csv_file(
        row("A-1"),
        row("A-2"),
        row("A-3"),
        row("A-4"),
        row("A-1"),
        row("A-5", Date="2026-11-02"),
        row("A-6", Amount="25,00"),
    )
    result = upload(admin, settings(merchant_id), file)
    rows = compared(admin, result)
    assert classes(rows) == [
        (2, "equal"),
        (3, "different"),
        (4, "different"),
        (5, "missing-here"),
        (6, "repeated"),
        (7, "outside-period"),
        (8, "bad-row"),
        (None, "missing-there"),
    ]
    assert [each["conversion_id"] for each in rows] == [
        *(str(equal), str(amount), str(status), None, str(equal), None, None, str(only_here))
    ]
    assert [each["differences"] for each in rows[1:3]] == [["amount"], ["status"]]
    assert (rows[1]["amount"], rows[1]["our_amount"]) == ("25.00", "24.00")
    (fault,) = rows[6]["faults"]
    assert (fault["column"], fault["value"]) == ("amount", "25,00")
    assert "decimal_separator" in fault["fix"]
    run = result.json
    assert (run["report_rows"], run["file_name"], run["file_bytes"]) == (7, "report.csv", len(file))
    assert set(run["figures"]) == set(RowClass)
    figures = [run["figures"][kind]["rows"] for kind in RowClass]
    assert dict(zip(RowClass, figures, strict=True)) == dict.fromkeys(RowClass, 1) | {"different": 2, "ambiguous": 0}
    assert (run["figures"]["different"]["theirs"], run["figures"]["different"]["ours"]) == (
        {"USD": "50.00"},
        {"USD": "49.00"},
    )
    assert run["figures"]["missing-there"]["ours_minor"] == {"USD": 2500}
    assert run["figures"]["repeated"]["ours"] == {}


def test_a_row_finds_its_conversion_by_click_id_or_dyn_where_there_is_no_order(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    first, second, third = click_id(), click_id(), click_id()
    for each in (first, second):
        add_conversion(database, merchant_id, click_id=each)
    add_conversion(database, merchant_id, click_id=third, order_id="Z-1")
    file = csv_file(
        row(SubID=str(first)),
        row("their own number", SubID=encode_dyn("DP", str(second))),
        row("another order", SubID=str(third)),
    )
    rows = compared(admin, upload(admin, settings(merchant_id), file))
    assert classes(rows) == [(2, "equal"), (3, "equal"), (4, "missing-here"), (None, "missing-there")]


def test_an_order_of_another_click_than_ours_is_different(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    add_conversion(database, merchant_id, order_id="A-1", click_id=click_id())
    rows = compared(admin, upload(admin, settings(merchant_id), csv_file(row("A-1", SubID=str(click_id())))))
    assert [(each["class"], each["differences"]) for each in rows] == [("different", ["click"])]


def test_deposits_of_one_click_are_paired_by_amount_and_never_guessed(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    click = click_id()
    for minutes, minor in enumerate((1000, 1000, 3000, 4000)):
        add_conversion(
            database,
            merchant_id,
            click_id=click,
            event="deposit",
            payout_minor=minor,
            received_at=NOON + timedelta(minutes=minutes),
        )
    file = csv_file(
        *(row(SubID=str(click), Type="deposit", Amount=amount) for amount in ("10.00", "10.00", "30", "99"))
    )
    rows = compared(admin, upload(admin, settings(merchant_id), file))
    # Which one the 99.00 stands for cannot be known; the conversion that nothing was paired with is shown beside it.
    assert classes(rows) == [(2, "equal"), (3, "equal"), (4, "equal"), (5, "ambiguous"), (None, "ambiguous")]
    assert len({each["conversion_id"] for each in rows}) == 5
    assert rows[4]["our_amount"] == "40.00"


def test_the_event_tells_two_conversions_of_one_order_apart(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    for event, minor in (("registration", 500), ("ftd", 2500)):
        add_conversion(database, merchant_id, order_id="A-1", event=event, payout_minor=minor)
    said = settings(merchant_id, events={"New Player": "registration", "First Deposit": "ftd"})
    file = csv_file(row("A-1", Type="first deposit"), row("A-1", Type="new player", Amount="5"))
    assert classes(compared(admin, upload(admin, said, file))) == [(2, "equal"), (3, "equal")]
    bare = csv_file(row("A-1", Amount="7"))
    assert classes(compared(admin, upload(admin, said, bare)))[0] == (2, "ambiguous")


def test_only_the_named_events_are_asked_for(admin: AdminClient, database: Database, merchant_id: int) -> None:
    add_conversion(database, merchant_id, order_id="A-1", event="registration", payout_minor=None, currency=None)
    add_conversion(database, merchant_id, order_id="A-2")
    rows = compared(admin, upload(admin, settings(merchant_id, only_events=["ftd"]), csv_file(row("A-2"))))
    assert classes(rows) == [(2, "equal")]


def test_a_row_that_takes_another_back_is_compared_in_its_place(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    add_conversion(database, merchant_id, order_id="A-1", status="reversed")
    columns = {name: heading for name, heading in COLUMNS.items() if name != "status"}
    file = csv_file(row("A-1"), row("A-1", Amount="-25.00"))
    result = upload(admin, settings(merchant_id, columns=columns), file)
    assert classes(compared(admin, result)) == [(2, "repeated"), (3, "equal")]
    assert result.json["figures"]["equal"]["theirs_minor"] == {}


def test_the_period_is_of_the_stated_time_zone(admin: AdminClient, database: Database, merchant_id: int) -> None:
    late = NOON.replace(month=9, day=30, hour=22, minute=30)
    add_conversion(database, merchant_id, order_id="A-1", received_at=late)
    berlin = upload(admin, settings(merchant_id, time_zone="Europe/Berlin"), csv_file(row("B-1")))
    assert classes(compared(admin, berlin)) == [(2, "missing-here"), (None, "missing-there")]
    assert berlin.json["begins_at"] == "2026-09-30T22:00:00Z"
    assert berlin.json["ends_at"] == "2026-10-31T23:00:00Z"
    utc = upload(admin, settings(merchant_id), csv_file(row("B-1")))
    assert classes(compared(admin, utc)) == [(2, "missing-here")]
    small = upload(admin, settings(merchant_id, time_zone="europe/berlin"), csv_file(row("B-1")))
    assert small.json["begins_at"] == berlin.json["begins_at"]


@pytest.mark.parametrize("zone", ["Mars/Base", "Berlin", "UTC+2", "Malta+3", "CEST"])
def test_a_time_zone_is_one_of_the_time_zone_database(admin: AdminClient, merchant_id: int, zone: str) -> None:
    """PostgreSQL would take UTC+2 for two hours west of UTC, and CEST for summer time all year."""
    result = upload(admin, settings(merchant_id, time_zone=zone), csv_file(row("B-1")))
    assert problem(result)[:2] == (400, "time_zone")


FILES = {
    "utf-8 with mark": ({}, "\ufeff{}", "utf-8"),
    "utf-16 with mark": ({}, "{}", "utf-16"),
    "cp1252 stated": ({"encoding": "cp1252"}, "{}", "cp1252"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_every_encoding_that_is_marked_or_stated_is_read(
    admin: AdminClient, database: Database, merchant_id: int, name: str
) -> None:
    changes, shape, encoding = FILES[name]
    add_conversion(database, merchant_id, order_id="Über-1")
    text = shape.format(csv_file(row("Über-1")).decode())
    result = upload(admin, settings(merchant_id, **changes), text.encode(encoding))
    assert classes(compared(admin, result)) == [(2, "equal")]


def test_tab_semicolon_and_comma_as_decimal_are_read_where_stated(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    add_conversion(database, merchant_id, order_id="A-1", payout_minor=123456, currency="EUR")
    german = row("A-1", Amount="1.234,56", Currency="EUR", Date="15.10.2026")
    said = {"decimal_separator": ",", "date_format": "DD.MM.YYYY"}
    for changes, delimiter in (({"format": "tsv"}, "\t"), ({"delimiter": ";"}, ";"), ({"delimiter": "|"}, "|")):
        file = csv_file(german, delimiter=delimiter)
        result = upload(admin, settings(merchant_id, **said, **changes), file)
        assert classes(compared(admin, result)) == [(2, "equal")]


def test_a_workbook_is_read_with_its_own_dates_and_numbers(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    add_conversion(database, merchant_id, order_id="12345")
    add_conversion(database, merchant_id, order_id="A-2", payout_minor=30)
    file = xlsx_file(
        [date(2026, 10, 15), 12345, 25, "USD", "approved", None, None],
        [NOON.replace(tzinfo=None), "A-2", 0.1 + 0.2, "USD", "approved", None, None],
        [None] * 7,
        [date(2026, 10, 15), 1e17, 25, "USD", "approved", None, None],
    )
    said = {"format": "xlsx", "date_format": None, "decimal_separator": None}
    rows = compared(admin, upload(admin, settings(merchant_id, **said), file))
    assert classes(rows) == [(2, "equal"), (3, "equal"), (5, "bad-row")]
    assert "format the column as text" in rows[2]["faults"][0]["fix"]
    absent = upload(admin, settings(merchant_id, **said, sheet="Totals"), file)
    assert problem(absent)[:2] == (400, "sheet")
    assert "'Report'" in absent.json["detail"]


def test_rows_above_the_headings_and_columns_by_number_are_possible(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    add_conversion(database, merchant_id, order_id="A-1")
    preamble = b"Report of October\r\n\r\n" + csv_file(row("A-1"))
    assert classes(compared(admin, upload(admin, settings(merchant_id, header_row=3), preamble))) == [(4, "equal")]
    numbers = {"columns": {"order_id": 2, "amount": 3}, "header_row": 0, "date_format": None}
    bare = csv_file(row("A-1")).split(b"\r\n", 1)[1]
    assert classes(compared(admin, upload(admin, settings(merchant_id, **numbers), bare))) == [(1, "equal")]


REFUSED: dict[str, tuple[dict[str, Any], bytes, str, str]] = {
    "wrong delimiter": ({}, csv_file(row("A"), delimiter=";"), "columns.date", "is the delimiter ';'?"),
    "no such heading": ({"columns": COLUMNS | {"amount": "Sum"}}, csv_file(), "columns.amount", "'Amount'"),
    "heading twice": ({}, csv_file(heading=[*HEADING, "Order"]), "columns.order_id", "2, 8"),
    "empty file": ({"header_row": 0, "columns": {"order_id": 1}}, b"", "file", "is empty"),
    "nothing but the mark": ({}, b"\xef\xbb\xbf", "header_row", "holds no headings"),
    "not utf-8": ({}, csv_file(row("A")) + b"\xff\n", "file", "not utf-8"),
    "cp1252 unstated": ({}, csv_file(row("Ü")).decode().encode("cp1252"), "file", "state encoding"),
    "cp1252 with a mark": ({"encoding": "cp1252"}, b"\xef\xbb\xbf" + csv_file(row("A")), "encoding", "leave"),
    "utf-16 without mark": ({}, csv_file(row("A")).decode().encode("utf-16-le"), "file", "NUL"),
    "workbook as csv": ({}, xlsx_file(row("A")), "file", "xlsx"),
    "csv as workbook": ({"format": "xlsx"}, csv_file(row("A")), "file", "workbook"),
    "half a workbook": ({"format": "xlsx"}, xlsx_file(row("A"))[:-200], "file", "workbook"),
    "no key column": ({"columns": {"date": "Date"}}, csv_file(), "columns", "order_id or click_id"),
    "no date format": ({"date_format": None}, csv_file(), "date_format", "not guessed"),
    "no separator": ({"decimal_separator": None}, csv_file(), "decimal_separator", "not guessed"),
    "unknown event": ({"events": {"x": "dance"}}, csv_file(row("A")), "events.x", "dance"),
    "unknown covered event": ({"only_events": ["ftd", "dance"]}, csv_file(row("A")), "only_events[1]", "dance"),
    "unknown column": ({"columns": {"colour": "x"}}, csv_file(), "columns.colour", "must be one of"),
    "ends before it begins": ({"to": "2026-09-30"}, csv_file(), "to", "from the day"),
    "no such day": ({"from": "2026-02-30"}, csv_file(), "from", "must be a day"),
    "quote never closed": ({}, csv_file() + b'"2026\n' + b"x\n" * 200, "file", "not closed"),
    "line without end": ({}, csv_file() + b"," * 200_000, "file", "a line has"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_is_refused_whole_with_a_fix(
    admin: AdminClient, database: Database, merchant_id: int, name: str
) -> None:
    changes, file, field, words = REFUSED[name]
    status, blamed, detail = problem(upload(admin, settings(merchant_id, **changes), file))
    assert (status, blamed) == (400, field)
    assert words in detail
    assert count(database, "reconciliations") == count(database, "reconciliation_rows") == 0


def test_everything_that_is_wrong_with_the_settings_is_named_at_once(admin: AdminClient, merchant_id: int) -> None:
    def named(*, file: bytes = csv_file(row("A")), **changes: Any) -> list[str]:
        result = upload(admin, settings(merchant_id, **changes), file)
        assert problem(result)[1] == result.json["errors"][0]["field"]
        assert all(each["detail"] for each in result.json["errors"])
        return [each["field"] for each in result.json["errors"]]

    assert named(encoding="latin-9", header_row=-1, statuses={"paid": "settled"}, colour=1) == [
        *("encoding", "header_row", "statuses.paid", "colour")
    ]
    assert named(to="2026-09-30", decimal_separator=None) == ["to", "decimal_separator"]
    assert named(events={"x": "dance", "y": "ftd"}, only_events=["sing"], columns=COLUMNS | {"date": "Day"}) == [
        *("events.x", "only_events[0]", "columns.date")
    ]
    assert named(file=csv_file(row("A"), delimiter=";")) == [f"columns.{name}" for name in COLUMNS]


def test_every_documented_field_is_served(admin: AdminClient, database: Database, merchant_id: int) -> None:
    add_conversion(database, merchant_id, order_id="A-1")
    add_conversion(database, merchant_id, order_id="A-9")
    file = csv_file(row("A-1", Amount="24"), row("A-2", Currency="X"))
    run = upload(admin, settings(merchant_id), file)
    path, documented = run.headers["location"], "/v1/reconciliations/{reconciliation_id}"
    assert_as_documented(admin, "POST /v1/reconciliations", run)
    assert_as_documented(admin, "GET /v1/reconciliations", admin.request("GET", "/v1/reconciliations"))
    assert_as_documented(admin, f"GET {documented}", admin.request("GET", path))
    assert_as_documented(admin, f"GET {documented}/rows", admin.request("GET", f"{path}/rows"))
    opened = admin.request("POST", f"{path}/issues")
    assert_as_documented(admin, f"POST {documented}/issues", opened)
    assert run.json["rules"] == {
        **settings(merchant_id),
        "time_zone": "UTC",
        "encoding": "utf-8",
        "header_row": 1,
        "statuses": {},
        "events": {},
        **dict.fromkeys(("delimiter", "sheet", "currency", "only_events")),
    }
    stored = database.execute("select detail from issues order by issue_id").fetchall()
    assert [each["detail"] for each in opened.json["items"]] == [each["detail"] for each in stored]


def test_bad_rows_are_kept_with_number_column_and_fix(admin: AdminClient, merchant_id: int) -> None:
    file = csv_file(
        row("A\x00B"),
        row("A-2", Date="15/10/2026", Amount="much"),
        row("=cmd()", State="whatever"),
        ["2026-10-15"],
        ["x"] * 300,
    )
    file += b'2026-10-15,"A"-7,1\r\n'
    rows = compared(admin, upload(admin, settings(merchant_id), file))
    assert classes(rows) == [(number, "bad-row") for number in range(2, 8)]
    faults = [[fault["column"] for fault in each["faults"]] for each in rows]
    assert faults == [["order_id"], ["date", "amount"], ["status"], ["amount", "order_id"], ["order_id"], ["order_id"]]
    assert all(fault["fix"] for each in rows for fault in each["faults"])


def test_the_export_holds_every_row_and_no_formula(admin: AdminClient, database: Database, merchant_id: int) -> None:
    orders = ["=1+1", "+1", "-1+2", "@SUM(A1)", "plain", "-5"]
    for order in orders[:2]:
        add_conversion(database, merchant_id, order_id=order)
    file = csv_file(*(row(order) for order in orders), row("A-8", Amount="=2+2"), row("A-9", State="\t=x"))
    run = upload(admin, settings(merchant_id), file)
    result = admin.request("GET", f"{run.headers['location']}/rows.csv")
    assert result.status_code == 200
    assert result.headers["content-type"].startswith("text/csv")
    assert "attachment" in result.headers["content-disposition"]
    assert result.content.startswith(b"\xef\xbb\xbf")
    read = list(csv.DictReader(io.StringIO(result.content.decode("utf-8-sig"))))
    assert [each["order_id"] for each in read][:6] == ["'=1+1", "'+1", "'-1+2", "'@SUM(A1)", "plain", "-5"]
    assert [each["class"] for each in read] == ["equal"] * 2 + ["missing-here"] * 4 + ["bad-row"] * 2
    assert read[0]["our_order_id"] == "'=1+1"
    assert (read[0]["amount"], read[0]["our_amount"], read[0]["currency"]) == ("25.00", "25.00", "USD")
    assert not any(cell.startswith(("=", "+", "@", "\t")) for each in read for cell in each.values())
    some = admin.request("GET", f"{run.headers['location']}/rows.csv?class=equal")
    assert len(some.content.splitlines()) == 3


def test_runs_are_listed_shown_paged_and_deleted(admin: AdminClient, database: Database, merchant_id: int) -> None:
    other = int(admin.merchant()["merchant_id"])
    for each in (merchant_id, merchant_id, other):
        assert upload(admin, settings(each), csv_file(row("A-1"), row("A-2"), row("A-3"))).status_code == 201
    page = admin.request("GET", f"/v1/reconciliations?limit=1&merchant_id={merchant_id}").json
    (newest,) = page["items"]
    assert newest["merchant_id"] == merchant_id
    rest = admin.request("GET", f"/v1/reconciliations?cursor={page['next_cursor']}&merchant_id={merchant_id}").json
    assert [each["reconciliation_id"] < newest["reconciliation_id"] for each in rest["items"]] == [True]
    assert rest["next_cursor"] is None
    path = f"/v1/reconciliations/{newest['reconciliation_id']}"
    assert admin.request("GET", path).json == newest
    first = admin.request("GET", f"{path}/rows?limit=2").json
    second = admin.request("GET", f"{path}/rows?limit=2&cursor={first['next_cursor']}").json
    assert classes(first["items"] + second["items"]) == [(number, "missing-here") for number in (2, 3, 4)]
    assert admin.request("GET", f"{path}/rows?class=equal").json == {"items": [], "next_cursor": None}
    assert admin.request("DELETE", path).status_code == 204
    assert admin.request("DELETE", path).status_code == 404
    for route in (path, f"{path}/rows", f"{path}/rows.csv"):
        assert admin.request("GET", route).status_code == 404
    for query in ("?class=odd", "?limit=0", "?cursor=x", "?klass=equal"):
        assert problem(admin.request("GET", f"/v1/reconciliations/1/rows{query}"))[0] == 400
    assert count(database, "reconciliation_rows") == 6


def test_an_export_breaks_off_where_its_run_is_removed(
    admin: AdminClient, merchant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that ended there would look complete."""
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 2)
    run = upload(admin, settings(merchant_id), csv_file(*(row(f"A-{n}", Type="x" * 90) for n in range(1000))))
    path = run.headers["location"]
    assert len(list(csv.reader(io.StringIO(admin.request("GET", f"{path}/rows.csv").text)))) == 1001
    app = create_app(admin.collaborators)
    environ = create_environ(f"{path}/rows.csv", headers={"Authorization": f"ApiKey {admin.token}"})
    pieces = iter(app(environ, StartResponseMock()))
    assert next(pieces).startswith(b"\xef\xbb\xbfclass,")
    assert admin.request("DELETE", path).status_code == 204
    with pytest.raises(NotFoundError, match="was removed while it was exported"):
        list(pieces)


BAD_FORMS: dict[str, tuple[list[tuple[str, bytes]], int]] = {
    "no file": ([("settings", b"{}")], 400),
    "no settings": ([("file", b"x")], 400),
    "settings of no JSON": ([("settings", b"{"), ("file", b"x")], 400),
    "settings of a list": ([("settings", b"[]"), ("file", b"x")], 400),
    "settings too large": ([("settings", b" " * 70_000), ("file", b"x")], 400),
    "a third part": ([("settings", b"{}"), ("file", b"x"), ("more", b"x")], 400),
    "another part": ([("settings", b"{}"), ("fail", b"x")], 400),
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_form_that_is_none_is_refused(admin: AdminClient, name: str) -> None:
    parts, status = BAD_FORMS[name]
    assert problem(post_form(admin, form(parts)))[0] == status


def test_what_is_no_form_is_refused(admin: AdminClient, merchant_id: int) -> None:
    body = form([("settings", orjson.dumps(settings(merchant_id))), ("file", csv_file())])
    assert problem(post_form(admin, body, **{"Content-Type": "text/csv"}))[0] == 415
    assert problem(post_form(admin, body, **{"Content-Type": "multipart/form-data"}))[0] == 400
    assert problem(post_form(admin, body[:-60]))[0] == 400
    assert problem(post_form(admin, b"not a form"))[0] == 400
    assert problem(post_form(admin, body.replace(b"report.csv", b"\xff\xfe")))[0] == 400


def test_a_file_over_the_limit_is_413(admin: AdminClient, merchant_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "FILE_BYTES_MAX", 1000)
    assert problem(upload(admin, settings(merchant_id), b"x" * 1001))[0] == 413
    monkeypatch.setattr(uploads, "_FORM_BYTES_MAX", 1000)
    assert problem(upload(admin, settings(merchant_id), b"x" * 900))[0] == 413


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_of_too_many_rows_is_refused(
    admin: AdminClient, database: Database, merchant_id: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_rows, "ROWS_MAX", 5)
    monkeypatch.setattr(report_rows, "WORKBOOK_ROWS_MAX", 5)
    make = csv_file if kind == "csv" else xlsx_file
    said = settings(merchant_id, format=kind)
    assert upload(admin, said, make(*(row(f"A-{n}") for n in range(5)))).status_code == 201
    refused = upload(admin, said, make(*(row(f"A-{n}") for n in range(6))))
    assert problem(refused)[:2] == (400, "file")
    assert "split it by period" in refused.json["detail"]
    assert count(database, "reconciliations") == 1


_SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
_DOCTYPE = '<!DOCTYPE a [<!ENTITY b "{}">]>'.format("&amp;" * 10)
BOMBS: dict[str, tuple[str, bytes]] = {
    "a sheet that unpacks to a gigabyte": ("sheet", b" " * (300 * 1024 * 1024)),
    "a row of a million cells": ("sheet", _SHEET.format("<row>" + "<c/>" * 1_000_000 + "</row>").encode()),
    "a million columns outside rows": ("sheet", _SHEET.format("<x/>" * 1_000_000).encode()),
    "elements within elements": ("sheet", _SHEET.format("<x>" * 1000 + "</x>" * 1000).encode()),
    "a document type": ("sheet", (_DOCTYPE + _SHEET.format("")).encode()),
    "a document type in UTF-16": ("sheet", (_DOCTYPE + _SHEET.format("")).encode("utf-16")),
    "a number of 5,000 digits": ("sheet", _SHEET.format(f"<row><c><v>{'9' * 5000}</v></c></row>").encode()),
    "a string that is not there": ("sheet", _SHEET.format('<row><c t="s"><v>77</v></c></row>').encode()),
    "broken XML": ("sheet", b"<worksheet><"),
    "a manifest that is none": ("manifest", b"<x/>"),
}
_PARTS = {"sheet": "xl_worksheets_sheet1_xml", "manifest": "[Content_Types]_xml"}


@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_workbook_is_refused_before_it_takes_memory(
    admin: AdminClient, database: Database, merchant_id: int, name: str
) -> None:
    part, content = BOMBS[name]
    file = with_parts(xlsx_file(row("A")), **{_PARTS[part]: content})
    del content
    tracemalloc.start()
    try:
        result = upload(admin, settings(merchant_id, format="xlsx"), file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert problem(result)[:2] == (400, "file")
    assert peak < 64 * 1024 * 1024 + len(file)
    assert count(database, "reconciliations") == 0


def test_a_workbook_of_more_cells_than_can_be_read_in_a_minute_is_refused(
    admin: AdminClient, merchant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row of it has many cells; all of its parts are counted together."""
    file = xlsx_file(*(row(f"A-{number}") for number in range(100)))
    said = settings(merchant_id, format="xlsx")
    monkeypatch.setattr(workbooks, "ELEMENTS_MAX", 10_000)
    assert upload(admin, said, file).status_code == 201
    monkeypatch.setattr(workbooks, "ELEMENTS_MAX", 1000)
    assert problem(upload(admin, said, file))[:2] == (400, "file")


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_workbook_packed_as_no_spreadsheet_program_does_is_refused(
    admin: AdminClient, merchant_id: int, compression: int
) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx_file(row("A")))) as source, zipfile.ZipFile(data, "w", compression) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    damaged = bytearray(data.getvalue())
    damaged[60:400] = b"\x55" * 340
    for file in (data.getvalue(), bytes(damaged)):
        assert problem(upload(admin, settings(merchant_id, format="xlsx"), file))[:2] == (400, "file")


def test_a_cell_far_away_costs_nothing(admin: AdminClient, database: Database, merchant_id: int) -> None:
    """The row's and the column's number are the file's own words."""
    add_conversion(database, merchant_id, order_id="A-1")
    near = '<row r="1"><c r="A1" t="inlineStr"><is><t>Order</t></is></c></row>'
    near += '<row r="2"><c r="A2" t="inlineStr"><is><t>A-1</t></is></c><c r="XFD2"><v>1</v></c></row>'
    file = with_parts(xlsx_file(row("A")), xl_worksheets_sheet1_xml=_SHEET.format(near).encode())
    said = settings(merchant_id, format="xlsx", columns={"order_id": "Order"})
    assert classes(compared(admin, upload(admin, said, file))) == [(2, "equal")]
    far = near + '<row r="99999999999"><c r="A99999999999"><v>1</v></c></row>'
    file = with_parts(xlsx_file(row("A")), xl_worksheets_sheet1_xml=_SHEET.format(far).encode())
    assert problem(upload(admin, said, file))[:2] == (400, "file")


def test_a_large_report_is_read_in_little_memory(admin: AdminClient, database: Database, merchant_id: int) -> None:
    rows = 10_000
    database.execute(
        "insert into conversions (click_id, merchant_id, link_id, event, order_id, status, payout_minor, currency,"
        " authenticated, clicked_at, received_at) select gen_random_uuid(), %s, 1, 'ftd', 'A-' || n, 'approved', 2500,"
        " 'USD', true, %s, %s from generate_series(1, %s) as n",
        [merchant_id, NOON, NOON, rows],
    )
    file = csv_file(*(row(f"A-{number}") for number in range(1, rows + 1)))
    tracemalloc.start()
    try:
        result = upload(admin, settings(merchant_id), file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.json["figures"]["equal"]["rows"] == rows
    # The upload itself is in this process twice: the form that the test sends, and its body as the client passes it.
    assert peak < 3 * len(file) + 16 * 1024 * 1024


def test_the_example_of_the_documentation_comes_out_as_it_says(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "reconciliation.md").read_text()
    file, said = (re.findall(rf"^```{kind}\n(.+?)^```", page, re.MULTILINE | re.DOTALL)[0] for kind in ("csv", "json"))
    for order, event, minor, status in (
        ("A-1", "ftd", 2500, "reversed"),
        ("A-2", "ftd", 120000, "approved"),
        ("A-3", "deposit", 4000, "approved"),
        ("A-5", "ftd", 2500, "approved"),
    ):
        stored = {"order_id": order, "event": event, "payout_minor": minor, "status": status, "currency": "EUR"}
        add_conversion(database, merchant_id, **stored)
    rows = compared(admin, upload(admin, orjson.loads(said) | {"merchant_id": merchant_id}, file.encode()))
    found = [
        (str(each["row_number"] or ""), each["order_id"] or each["our_order_id"] or "A-7", each["class"])
        for each in rows
    ]
    table = re.findall(r"^\| (\d?) ?\| (A-\d) \| `([a-z-]+)` \| (.+) \|$", page, re.MULTILINE)
    assert [row[:3] for row in table] == found
    (amount, status) = (each for each in rows if each["class"] == "different")
    reasons = {row[1]: row[3] for row in table}
    assert reasons["A-2"] == f"`amount`: {amount['amount']} there, {amount['our_amount']} here"
    assert reasons["A-3"] == f"`status`: {status['status']} there, {status['our_status']} here"


def test_issues_are_opened_for_the_classes_that_need_somebody(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    add_conversion(database, merchant_id, order_id="A-1")
    add_conversion(database, merchant_id, order_id="A-2")
    run = upload(admin, settings(merchant_id), csv_file(row("A-1", Amount="24"), row("A-3"), row("A-4", Date="x")))
    path = f"{run.headers['location']}/issues"
    opened = admin.request("POST", path).json["items"]
    found = {each["detail"]["class"]: each for each in opened}
    assert set(found) == {"different", "missing-here", "missing-there", "bad-row"}
    missing = found["missing-there"]
    assert (missing["kind"], missing["state"], missing["count"]) == ("reconciliation-difference", "open", 1)
    assert missing["title"] == "1 rows of the report of A merchant, 2026-10-01 to 2026-10-31, are missing there"
    assert missing["detail"]["ours"] == {"USD": "25.00"}
    assert admin.request("GET", missing["detail"]["rows_at"]).json["items"][0]["our_order_id"] == "A-2"
    listed = admin.request("GET", f"/v1/issues?merchant_id={merchant_id}").json["items"]
    assert {each["issue_id"] for each in listed} == {each["issue_id"] for each in opened}
    again = admin.request("POST", path, {"classes": ["different"]}).json["items"]
    assert [(each["issue_id"], each["count"]) for each in again] == [(found["different"]["issue_id"], 2)]
    for body in ({"classes": ["equal"]}, {"classes": []}, {"classes": "different"}, {"class": []}):
        assert problem(admin.request("POST", path, body))[0] == 400
    assert admin.request("POST", "/v1/reconciliations/999/issues").status_code == 404


def test_a_report_of_an_unknown_account_is_refused(admin: AdminClient) -> None:
    assert problem(upload(admin, settings(999), csv_file(row("A"))))[:2] == (400, "merchant_id")


def test_conversions_stay_as_they_are(admin: AdminClient, database: Database, merchant_id: int) -> None:
    stored: UUID = add_conversion(database, merchant_id, order_id="A-1", status="pending")
    upload(admin, settings(merchant_id), csv_file(row("A-1", State="reversed")))
    found = database.execute("select status from conversions where conversion_id = %s", [stored]).fetchone()
    assert found == {"status": "pending"}


def test_a_report_that_names_one_click_in_every_row_is_no_more_work_than_its_rows(
    admin: AdminClient, database: Database, merchant_id: int
) -> None:
    click = click_id()
    for number in range(30):
        add_conversion(database, merchant_id, click_id=click, event="deposit", payout_minor=100 + number)
    said = parse_settings(orjson.dumps(settings(merchant_id)))
    named = (None, click, "deposit", 7777, "USD", None)
    lines = [
        *(Line(number, ReportRow(None, *named)) for number in range(2, 1002)),
        *(Line(number, ReportRow(None, f"A-{number}", *named[1:])) for number in range(1002, 2002)),
    ]
    with database.transaction(force_rollback=True):
        begins_at, ends_at = NOON - timedelta(days=1), NOON + timedelta(days=1)
        database.execute(
            "insert into reconciliations (merchant_id, first_day, last_day, time_zone, begins_at, ends_at, file_bytes,"
            " file_sha256, rules) values (%s, %s, %s, 'UTC', %s, %s, 1, repeat('0', 64), '{}')",
            [merchant_id, said.first_day, said.last_day, begins_at, ends_at],
        )
        run = database.execute("select reconciliation_id from reconciliations").fetchone()
        assert run is not None
        period = Period(run["reconciliation_id"], merchant_id, None, begins_at, ends_at, said.first_day, said.last_day)
        assert compare_report(database, period, lines) == 2000
        # Two keys, of rows with an order id and without, for the thirty conversions that either may be about.
        assert count(database, "report_candidates") == 2 * 30
        figures = load_figures(database, run["reconciliation_id"])
    assert figures["ambiguous"]["rows"] == 2000 + 30
