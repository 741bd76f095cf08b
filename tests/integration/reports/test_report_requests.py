"""Reports over HTTP: what is refused and how, what a partner sees, paging while clicks come, and the limit of time."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import psycopg
import pytest
from falcon.testing import Result

import worker_cases as cases
from admin_api.reports import COLUMNS, PostgresReports, Usual, Viewer, parse_question
from admin_api.reports.errors import RowsDroppedError, TooMuchError
from admin_api.runtime import open_pool
from admin_client import AdminClient, admin_client
from config.configuration import hash_token
from config.settings import ReportSettings
from report_history import ZONE, History, begin, prepare
from tracking.reports import DIMENSIONS

HOSTILE = ("' or 1=1 --", '"; drop table clicks; --', "%s", "%(v0)s", "a\\,b", "{}", "\U0001f4a9", "x" * 3000)
TODAY = datetime.now(ZoneInfo(ZONE)).date()


@pytest.fixture(scope="module")
def world(module_database_url: str, redis_server: str) -> Iterator[tuple[AdminClient, History]]:
    """Yield a client, and the history that it asks about: clicks with hostile sub ids among others."""
    url = module_database_url
    with (
        cases.installed(url, redis_server) as used,
        psycopg.connect(url, autocommit=True) as connection,
        admin_client(url, redis_server, reports=ReportSettings(time_zone=ZONE)) as admin,
    ):
        prepare(used.database.wait())
        history = begin(used, connection, Random(5))
        for step in (*["store"] * 8, "settle", *["postback"] * 10):
            history.step(step)
        connection.execute(
            "update clicks set sub1 = (%s::text[])[1 + (spool_number %% %s)::integer]", [list(HOSTILE), len(HOSTILE)]
        )
        history.fold_all()
        history.store()
        yield admin, history


def ask(admin: AdminClient, **parameters: str) -> Result:
    """Return the answer to a question; `from` and `to` are written with an underscore behind."""
    query = urlencode({name.rstrip("_"): text for name, text in parameters.items()})
    return admin.request("GET", f"/v1/reports?{query}")


def test_an_answer_says_what_was_asked_and_from_where_it_is(world: tuple[AdminClient, History]) -> None:
    admin, _ = world
    answer = ask(admin, group_by="link,day", columns="net,cr,revenue", compare="previous", sort="-net").json
    assert (answer["by"], answer["time_zone"], answer["currency"]) == ("click", ZONE, "USD")
    assert (answer["to"], answer["from"]) == (TODAY.isoformat(), (TODAY - timedelta(days=29)).isoformat())
    assert answer["compared_with"]["to"] == (TODAY - timedelta(days=30)).isoformat()
    assert answer["group_by"] == ["link", "day"]
    row = answer["rows"][0]
    assert row["names"]["link"]
    assert set(row["values"]) == set(row["previous"]) == {"net", "cr", "revenue"}
    assert sum(each["values"]["net"] for each in answer["rows"]) == answer["totals"]["net"] > 0
    assert answer["took_ms"] > 0


def test_a_row_leads_to_exactly_the_conversions_that_it_counts(world: tuple[AdminClient, History]) -> None:
    admin, _ = world
    counted = "pending,approved,rejected,reversed"
    for by in ("click", "conversion"):
        answer = ask(admin, group_by="sub1,link,weekday", columns=counted, by=by, country="!ZZ").json
        assert answer["rows"]
        for row in answer["rows"]:
            listed = admin.request("GET", row["conversions"])
            assert listed.status_code == 200, listed.text
            items = listed.json["items"]
            assert len(items) == sum(row["values"].values())
            assert all(item["sub1"] == row["key"]["sub1"] and item["link"] == row["key"]["link"] for item in items)
            assert [item["received_at"] for item in items]


def test_conversions_have_no_class_to_be_found_by(world: tuple[AdminClient, History]) -> None:
    refused = world[0].request("GET", "/v1/reports/conversions?class=bot")
    assert (refused.status_code, refused.json["field"]) == (400, "class")


def test_the_conversions_of_a_row_are_paged_newest_first(world: tuple[AdminClient, History]) -> None:
    admin, _ = world
    path = "/v1/reports/conversions?by=conversion"
    whole = admin.request("GET", path).json["items"]
    found: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = admin.request("GET", f"{path}&limit=2{f'&cursor={cursor}' if cursor else ''}").json
        found += page["items"]
        cursor = page["next_cursor"]
    assert found == whole
    assert len(whole) > 2
    assert whole == sorted(whole, key=lambda item: item["received_at"], reverse=True)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_never_a_part_of_the_statement(world: tuple[AdminClient, History], value: str) -> None:
    admin, history = world
    escaped = value.replace("\\", "\\\\").replace(",", "\\,")
    answer = ask(admin, group_by="sub1", sub1=escaped, columns="gross", limit="500")
    assert answer.status_code == 200, answer.text
    assert {row["key"]["sub1"] for row in answer.json["rows"]} == {value[:500]}
    stored = history.connection.execute("select count(*) from clicks where left(sub1, 500) = %s", [value[:500]])
    assert answer.json["totals"]["gross"] == (stored.fetchone() or [0])[0] > 0


BAD = {
    "group_by": ("link,link", "nonsense", "day,hour,link,source,country", "link;drop table links", ",", "link,"),
    "from_": ("2026-13-01", "yesterday", "20261101", "1969-01-01", "2026-02-30", "0000-00-00"),
    "to": ("x", "9999-12-31"),
    "time_zone": ("Mars/Olympus", "", "../../etc/passwd", "Europe/Vienna'; select 1 --", "localtime\x00"),
    "currency": ("XXX", "EURO", "", "E'R"),
    "columns": ("", "net,", "net,net", "secret", "event:", "event:FTD", "event:x' or 1", "*"),
    "sort": ("", "-", "--net", "country", "net desc", "event:"),
    "by": ("", "click,conversion", "postback"),
    "compare": ("", "next", "true"),
    "limit": ("0", "501", "-1", "1e2", "٣", "999999999999", ""),
    "cursor": ("", "x", "bnVsbA", "WzEsMiwzXQ", "e30", "W10"),
    "link": ("", "x", "0", "-1", "1,,2", "1.5", "9" * 30, "!", "1 or 1=1", "1\\"),
    "hour": ("24", "-1", "x", "(none)"),
    "weekday": ("0", "8"),
    "day": ("2026-11-31", "(none)", "today"),
    "class": ("good", "(none)", "valid;"),
    "event": ("FTD", "(none)", "x'y"),
    "country": ("", "DE,,AT", "a\x00b", "a\nb", "DE\\"),
    "sub11": ("x",),
    "limt": ("5",),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_bad_parameter_is_refused_by_its_name(world: tuple[AdminClient, History], name: str, text: str) -> None:
    admin, _ = world
    refused = ask(admin, **{"group_by": "link", name: text})
    assert refused.status_code == 400, refused.text
    assert [error["field"] for error in refused.json["errors"]] == [name.rstrip("_")]


def test_every_bad_parameter_is_named_at_once(world: tuple[AdminClient, History]) -> None:
    admin, _ = world
    refused = ask(admin, group_by="x", columns="y", limit="z", country="", link="w")
    assert {error["field"] for error in refused.json["errors"]} == {"group_by", "columns", "limit", "country", "link"}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"group_by": "class", "columns": "conversions"}, "columns"),
        ({"class": "bot", "columns": "cr"}, "columns"),
        ({"group_by": "event", "columns": "net"}, "columns"),
        ({"group_by": "event", "columns": "revenue", "sort": "profit"}, "sort"),
        ({"group_by": "link", "columns": "net", "from": "2026-10-31", "to": "2026-10-30"}, "to"),
        ({"group_by": "link", "columns": "net", "from": "2010-01-01", "to": "2026-10-30"}, "from"),
        ({"group_by": "event,class"}, "group_by"),
    ],
)
def test_what_cannot_be_counted_together_is_refused(
    world: tuple[AdminClient, History], parameters: dict[str, str], field: str
) -> None:
    refused = ask(world[0], **parameters)
    assert refused.status_code == 400
    assert {error["field"] for error in refused.json["errors"]} == {field}


def test_a_cursor_of_another_question_is_refused(world: tuple[AdminClient, History]) -> None:
    admin, _ = world
    cursor = ask(admin, group_by="sub1,day", sort="-net", limit="1").json["next_cursor"]
    assert ask(admin, group_by="sub1,day", sort="-net", limit="1", cursor=cursor).status_code == 200
    for other in ({"sort": "net"}, {"group_by": "link,day"}, {"sort": "sub1"}):
        refused = ask(admin, **{"group_by": "sub1,day", "sort": "-net", "cursor": cursor} | other)
        assert refused.json["errors"][0]["field"] == "cursor"


def test_rows_that_are_added_while_somebody_pages_repeat_nothing_and_hide_nothing(
    world: tuple[AdminClient, History],
) -> None:
    admin, history = world
    parameters = {"group_by": "sub1,day,browser", "columns": "gross", "sort": "sub1", "limit": "2"}
    before = ask(admin, **parameters | {"limit": "500"}).json["rows"]
    seen, cursor = [], None
    while True:
        page = ask(admin, **parameters, **({"cursor": cursor} if cursor else {})).json
        seen += [tuple(row["key"].values()) for row in page["rows"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        history.store()
    assert len(seen) == len(set(seen))
    assert {tuple(row["key"].values()) for row in before} <= set(seen)


@pytest.fixture
def store(world: tuple[AdminClient, History]) -> Iterator[PostgresReports]:
    """Yield a store that gives up after 0.2 s."""
    dsn = world[1].connection.info
    url = f"postgresql://{dsn.user}:{dsn.password}@{dsn.host}:{dsn.port}/{dsn.dbname}"
    with closing(open_pool(url, 2)) as pool:
        yield PostgresReports(pool, 0.2)


def question_of(**parameters: str) -> Any:
    """Return a question of the usual viewer."""
    return parse_question(parameters, Viewer(), Usual(ZONE, "EUR", "EUR", datetime.now(UTC)))


def test_a_question_that_takes_too_long_is_refused_with_what_would_be_quick(
    world: tuple[AdminClient, History], store: PostgresReports
) -> None:
    connection = world[1].connection
    with connection.transaction():
        # Whoever reads roll-ups or clicks waits for this.
        connection.execute("lock table report_clicks_link, clicks in access exclusive mode")
        with pytest.raises(TooMuchError) as refused:
            store.answer(question_of(group_by="link,browser"))
    assert "REPORT_TIMEOUT_S" in refused.value.message
    assert "link, profile, merchant, source, rule, destination" in refused.value.message
    assert store.answer(question_of(group_by="link,browser")).rows


def test_a_question_that_needs_clicks_that_are_gone_is_refused_and_roll_ups_still_answer(
    world: tuple[AdminClient, History], store: PostgresReports
) -> None:
    connection = world[1].connection
    oldest = connection.execute(
        "select partition_name, pg_get_expr(relpartbound, oid) from partitions_of('clicks')"
        " join pg_class on relname = partition_name where begins_at > '-infinity' order by ends_at limit 1"
    ).fetchone()
    assert oldest is not None
    total = store.answer(question_of(columns="gross")).head.totals
    connection.execute(f"alter table clicks detach partition {oldest[0]}")
    try:
        assert store.answer(question_of(columns="gross")).head.totals == total
        with pytest.raises(RowsDroppedError) as refused:
            store.answer(question_of(group_by="link,browser"))
        assert refused.value.field == "from"
        assert store.answer(question_of(group_by="link,browser", **{"from": TODAY.isoformat()})).rows
    finally:
        connection.execute(f"alter table clicks attach partition {oldest[0]} {oldest[1]}")


@pytest.fixture
def token_of(world: tuple[AdminClient, History]) -> Callable[..., str]:
    """Return a function that makes a user of a role, and returns a token of it."""

    def make(role: str, source_id: int | None = None) -> str:
        token = f"wp_{secrets.token_hex(16)}"
        world[1].connection.execute(
            "with made as (insert into users (email, name, role, source_id) values (%s, 'x', %s, %s) returning user_id)"
            " insert into api_tokens (token_hash, name, user_id) select %s, 'x', user_id from made",
            [f"{token}@example.com", role, source_id, hash_token(token)],
        )
        return token

    return make


def test_a_partner_sees_its_source_alone_and_of_money_its_commission(
    world: tuple[AdminClient, History], token_of: Callable[..., str]
) -> None:
    admin, _ = world
    key = f"ApiKey {token_of('partner', 1)}"
    mine = admin.request("GET", "/v1/reports?group_by=source,link", Authorization=key)
    assert mine.status_code == 200, mine.text
    assert mine.json["columns"] == ["gross", "net", "uniques", "conversions", "cr", "epc", "commission"]
    shown = "net,conversions,commission"
    assert {row["key"]["source"] for row in mine.json["rows"]} == {1}
    for parameters in (
        {"group_by": "link", "columns": shown},
        {"group_by": "day", "columns": shown, "by": "conversion", "currency": "USD"},
        {"group_by": "hour", "columns": shown, "from": TODAY.isoformat()},
        {"group_by": "sub1", "columns": shown, "compare": "previous"},
        {"group_by": "event", "columns": "conversions,commission"},
        {"group_by": "browser,day", "columns": shown},
    ):
        query = urlencode(parameters)
        own = admin.request("GET", f"/v1/reports?{query}", Authorization=key)
        assert own.status_code == 200, own.text
        everything = admin.request("GET", f"/v1/reports?{query}&source=1")
        assert own.json["totals"] == everything.json["totals"]
        assert [row["key"] for row in own.json["rows"]] == [row["key"] for row in everything.json["rows"]]
    # Its earnings per click are those of its commission.
    for row in mine.json["rows"]:
        values = row["values"]
        assert (values["epc"] is None) == (values["net"] == 0)
        if values["net"]:
            assert abs(float(values["epc"]) - float(values["commission"]) / values["net"]) < 1e-6
    listed = admin.request("GET", mine.json["rows"][0]["conversions"], Authorization=key)
    assert listed.status_code == 200
    assert all(amount["revenue"] is None for item in listed.json["items"] for amount in item["amounts"])


@pytest.mark.parametrize("money", ["revenue", "cost", "profit", "roi"])
def test_a_partner_who_asks_for_the_money_of_others_is_refused(
    world: tuple[AdminClient, History], token_of: Callable[..., str], money: str
) -> None:
    key = f"ApiKey {token_of('partner', 1)}"
    for query in (f"columns=net,{money}", f"columns=net&sort=-{money}"):
        refused = world[0].request("GET", f"/v1/reports?group_by=link&{query}", Authorization=key)
        assert (refused.status_code, refused.json["code"]) == (403, "money-hidden")


def test_an_analyst_without_money_gets_no_column_of_it(
    world: tuple[AdminClient, History], token_of: Callable[..., str]
) -> None:
    key = f"ApiKey {token_of('analyst')}"
    answer = world[0].request("GET", "/v1/reports?group_by=link", Authorization=key)
    assert answer.json["columns"] == ["gross", "net", "uniques", "conversions", "cr"]
    refused = world[0].request("GET", "/v1/reports?group_by=link&columns=commission", Authorization=key)
    assert (refused.status_code, refused.json["code"]) == (403, "money-hidden")
    described = world[0].request("GET", "/v1/reports/dimensions", Authorization=key).json
    assert not any(column["money"] for column in described["columns"])
    listed = world[0].request("GET", "/v1/reports/conversions", Authorization=key).json
    assert listed["items"]
    assert all(item["amounts"] is None for item in listed["items"])


def test_what_can_be_asked_is_described(world: tuple[AdminClient, History]) -> None:
    described = world[0].request("GET", "/v1/reports/dimensions").json
    assert [each["name"] for each in described["dimensions"]] == list(DIMENSIONS)
    assert [each["name"] for each in described["columns"]] == list(COLUMNS)
    for group in described["groups"]:
        names = group["dimensions"][:4]
        answer = ask(world[0], group_by=",".join(names), columns="net,conversions")
        assert answer.json["answered_from"] == "rollups"
