"""Reports as files over HTTP: all rows, as of one moment, and never a part that looks whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from openpyxl import load_workbook

from admin_api.reports import PostgresReports, Question, Stream
from admin_api.reports.errors import TooMuchError
from admin_api.runtime import Database
from admin_client import AdminClient

VALUES = 1203
_INSERT = """
    insert into clicks (click_id, clicked_at, link_id, profile_id, config_version, class, method, host, slug, query,
        parameters, sub1, user_agent, referrer, accept_language, location, spool_id, spool_number)
    select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - n), 12, '0') || '7000800000000000' ||
        lpad(to_hex(n), 4, '0'))::uuid, now(), %s, 1, 1, 'valid', 'GET', 'h', 's', '', '{}',
        case when n = 0 then '=1+1' else 'value ' || n end, 'ua', '', '', 'l', '7-0-3fa9c1d2-clicks', n
    from generate_series(0, %s) n
"""


@pytest.fixture
def clicked(admin: AdminClient, database: Database) -> None:
    """Store clicks that are in no roll-up yet, each with a value of its own."""
    admin.profile()
    link = admin.link(admin.merchant(), name="Spring; sale")
    database.execute("create table clicks_all partition of clicks default")
    database.execute(_INSERT, [link["link_id"], VALUES - 1])
    database.execute(
        "insert into report_queue (low, high, spool_id, first, past)"
        " select min(click_id::text)::uuid, max(click_id::text)::uuid, '7-0-3fa9c1d2-clicks', 0, %s from clicks",
        [VALUES],
    )


QUERY = "group_by=link,sub1&columns=net,revenue&sort=sub1&time_zone=UTC&limit=5"


def test_a_csv_has_every_row_whatever_the_limit_says(admin: AdminClient, clicked: None) -> None:
    answer = admin.request("GET", f"/v1/reports.csv?{QUERY}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "attachment" in answer.headers["content-disposition"]
    heading, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert heading == ["link", "link_name", "sub1", "net", "revenue"]
    assert len(rows) == VALUES
    assert rows[0] == [rows[0][0], "Spring; sale", "'=1+1", "1", "0.00"]
    assert sum(int(row[3]) for row in rows) == VALUES


def test_a_workbook_has_the_same_rows(admin: AdminClient, clicked: None) -> None:
    answer = admin.request("GET", f"/v1/reports.xlsx?{QUERY}")
    book = load_workbook(io.BytesIO(answer.content), read_only=True)
    rows = list(book["Report"].iter_rows(values_only=True))
    assert len(rows) == VALUES + 1
    assert rows[1][1:] == ("Spring; sale", "=1+1", 1, 0)
    assert ("net", VALUES) in [row[:2] for row in book["About"].iter_rows(values_only=True)]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_answer_that_fails_in_the_middle_is_an_error_and_no_file(
    admin: AdminClient, clicked: None, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    whole = PostgresReports.stream

    @contextmanager
    def failing(self: PostgresReports, question: Question) -> Iterator[Stream]:
        with whole(self, question) as stream:

            def pages() -> Iterator[Any]:
                yield next(stream.pages)
                raise TooMuchError("it took too long")

            yield Stream(stream.head, pages())

    monkeypatch.setattr(PostgresReports, "stream", failing)
    answer = admin.request("GET", f"/v1/reports.{kind}?{QUERY}")
    assert (answer.status_code, answer.json["code"]) == (409, "too-much")
    # The connection went back in order.
    monkeypatch.undo()
    assert admin.request("GET", f"/v1/reports.{kind}?{QUERY}").status_code == 200


def test_a_bad_question_is_refused_as_by_the_report(admin: AdminClient) -> None:
    answer = admin.request("GET", "/v1/reports.csv?group_by=weather")
    assert (answer.status_code, answer.json["field"]) == (400, "group_by")
