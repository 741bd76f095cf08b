"""The list of clicks: the newest first page by page, with the filters of reports, and refused if it takes too long."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from admin_api.clicks import click_list
from admin_api.runtime import Database
from admin_client import AdminClient

CLICKS = 240
COUNTRIES = ("DE", "AT", "")
_PARTITIONS = """
    do $$ begin
        for day in 0..3 loop
            execute format('create table clicks_d%s partition of clicks for values from (%L) to (%L)', day,
                id_of(timestamptz '2026-11-20' + day * interval '1 day'),
                id_of(timestamptz '2026-11-20' + (day + 1) * interval '1 day'));
        end loop;
    end $$
"""
_ID_OF = """
    create function id_of(at timestamptz, number integer default 0) returns uuid language sql immutable as $$
        select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0')
            || '7000' || '8000' || lpad(to_hex(number), 12, '0'))::uuid $$
"""
_INSERT = """
    insert into clicks (click_id, clicked_at, link_id, profile_id, config_version, class, method, host, slug, query,
        parameters, sub1, country, user_agent, referrer, accept_language, location, spool_id, spool_number, cost)
    select id_of(at, n), at, %(links)s[1 + n %% 3], 1, 1, case when n %% 5 = 0 then 'bot' else 'valid' end, 'GET', 'h',
        's', '', '{}', case n %% 4 when 0 then null when 1 then 'a,b' when 2 then '!x' else '(none)' end,
        (array['DE', 'AT', null])[1 + n %% 3], 'ua', '', '', 'l', 's', n, case when n %% 2 = 0 then 0.25 end
    from generate_series(0, %(clicks)s - 1) n
        cross join lateral (select timestamptz '2026-11-20' + n / 4 * interval '1435 seconds' * 4 as at) t
"""


@pytest.fixture
def links(admin: AdminClient, database: Database) -> list[dict[str, Any]]:
    """Store clicks on three links of two sources, several of them in the same millisecond."""
    admin.profile()
    merchant = admin.merchant()
    sources = [admin.created("sources", name=name) for name in ("One", "Two")]
    made = [admin.link(merchant, source_id=sources[n % 2]["source_id"]) for n in range(3)]
    for statement in (_ID_OF, _PARTITIONS):
        database.execute(statement)
    database.execute(_INSERT, {"links": [link["link_id"] for link in made], "clicks": CLICKS})
    return made


def listed(admin: AdminClient, query: str, limit: int = 500) -> list[dict[str, Any]]:
    """Return all clicks of a query, read page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        path = f"/v1/clicks?from=2026-11-20&to=2026-11-25&time_zone=UTC&limit={limit}{query}{cursor}"
        answer = admin.request("GET", path)
        assert answer.status_code == 200, answer.text
        found += answer.json["items"]
        if answer.json["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer.json['next_cursor']}"


def test_pages_together_are_the_whole_list_with_the_newest_first(
    admin: AdminClient, links: list[dict[str, Any]]
) -> None:
    whole = listed(admin, "")
    assert len(whole) == CLICKS
    assert [each["click_id"] for each in whole] == sorted((each["click_id"] for each in whole), reverse=True)
    assert listed(admin, "", limit=7) == whole
    assert whole[0]["source_id"] in {link["source_id"] for link in links}
    assert {each["cost"] for each in whole} == {"0.25", None}


def test_every_filter_finds_what_python_finds(admin: AdminClient, links: list[dict[str, Any]]) -> None:
    whole = listed(admin, "")
    first, second = links[0], links[1]
    expected = {
        f"&link={first['link_id']}": lambda click: click["link_id"] == first["link_id"],
        f"&link=!{first['link_id']}": lambda click: click["link_id"] != first["link_id"],
        f"&source={second['source_id']}": lambda click: click["source_id"] == second["source_id"],
        f"&source=!{second['source_id']}&class=bot": (
            lambda click: click["source_id"] != second["source_id"] and click["class"] == "bot"
        ),
        "&country=DE,AT": lambda click: click["country"] in ("DE", "AT"),
        "&country=(none)": lambda click: click["country"] is None,
        "&country=!(none)": lambda click: click["country"] is not None,
        f"&sub1={quote('a' + chr(92) + ',b')}": lambda click: click["sub1"] == "a,b",
        f"&sub1={quote(chr(92) + '!x')}": lambda click: click["sub1"] == "!x",
        f"&sub1={quote(chr(92) + '(none)')}": lambda click: click["sub1"] == "(none)",
        "&sub1=(none)&class=valid": lambda click: click["sub1"] is None and click["class"] == "valid",
        "&hour=0,1": lambda click: click["clicked_at"][11:13] in ("00", "01"),
        "&day=2026-11-21": lambda click: click["clicked_at"].startswith("2026-11-21"),
    }
    for query, holds in expected.items():
        found = [click for click in whole if holds(click)]
        assert 0 < len(found) < CLICKS, query
        assert listed(admin, query, limit=50) == found, query


def test_the_source_is_that_at_the_time_of_the_click(
    admin: AdminClient, database: Database, links: list[dict[str, Any]]
) -> None:
    before = listed(admin, f"&source={links[0]['source_id']}")
    other = admin.created("sources", name="Three")["source_id"]
    admin.request("PATCH", f"/v1/links/{links[0]['link_id']}", {"source_id": other})
    assert listed(admin, f"&source={links[0]['source_id']}") == before
    assert listed(admin, f"&source={other}") == []


def test_only_the_partitions_of_the_days_are_opened(admin: AdminClient, links: list[dict[str, Any]]) -> None:
    one_day = admin.request("GET", "/v1/clicks?from=2026-11-21&to=2026-11-21&time_zone=UTC&limit=500").json["items"]
    assert one_day
    assert {click["clicked_at"][:10] for click in one_day} == {"2026-11-21"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("link=x", "link"),
        ("class=good", "class"),
        ("event=ftd", "event"),
        ("from=2026-11-21&to=2026-11-20", "to"),
        ("cursor=abc", "cursor"),
        ("country=%00", "country"),
    ],
)
def test_a_filter_that_cannot_be_is_named(admin: AdminClient, query: str, field: str) -> None:
    refused = admin.request("GET", f"/v1/clicks?{query}")
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, field)


def test_a_page_that_takes_too_long_is_refused_with_what_to_do(
    admin: AdminClient, links: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> Any:
        raise psycopg.errors.QueryCanceled

    monkeypatch.setattr(click_list, "load_clicks", never)
    refused = admin.request("GET", "/v1/clicks")
    assert (refused.status_code, refused.json["code"]) == (409, "too-much")
    assert "fewer days" in refused.json["detail"]
