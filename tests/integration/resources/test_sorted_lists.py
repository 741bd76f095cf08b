"""Lists of configured objects: sorted by every column, read page by page while rows are added, and searched by name."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from urllib.parse import quote

import orjson
import pytest

from admin_api.runtime import Database
from admin_client import AdminClient
from hostile_values import HOSTILE_VALUES

SORTS = ["source_id", "name", "created_at", "updated_at"]
# Many rows share each value, so that only their numbers tell them apart.
NAMES = ["", "a", "A", "b", "\u00e4", "Z", "\U0001f600", "%", "_"]


def pages(admin: AdminClient, query: str, limit: int = 3) -> Iterator[list[int]]:
    cursor = ""
    while True:
        page = admin.request("GET", f"/v1/sources?{query}&limit={limit}{cursor}").json
        yield [item["source_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def add(database: Database, chance: random.Random, count: int) -> None:
    for _ in range(count):
        database.execute(
            "insert into sources (name, created_at, updated_at)"
            " values (%s, to_timestamp(1767225600 + %s::float8), to_timestamp(1767225600 + %s::float8))",
            ["n" + chance.choice(NAMES), chance.randrange(5) / 3, chance.randrange(5) / 7],
        )


@pytest.mark.parametrize("sort", [f"{sign}{column}" for column in SORTS for sign in ("", "-")])
def test_a_list_is_sorted_and_loses_and_repeats_nothing_while_rows_are_added(
    admin: AdminClient, database: Database, sort: str
) -> None:
    chance = random.Random(sort)
    add(database, chance, 20)
    column, direction = sort.removeprefix("-"), "desc" if sort.startswith("-") else "asc"
    before = {row["source_id"] for row in database.execute("select source_id from sources")}
    read: list[int] = []
    for page in pages(admin, f"sort={sort}"):
        read += page
        add(database, chance, 2 if len(read) < 15 else 0)
    assert len(read) == len(set(read))
    assert before <= set(read)
    rows = database.execute(f"select source_id from sources order by {column} {direction}, source_id {direction}")  # type: ignore[arg-type]
    order = [row["source_id"] for row in rows]
    assert read == sorted(read, key=order.index)


def encoded(*parts: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


BAD_CURSORS = [
    *("x", "%00", "%C3%A9", "YQ", "W10", encoded(), encoded("name", "a"), encoded("name", "a", "1"), "A" * 3000),
    *(encoded("-name", "a", 1), encoded("source_id", 1, 1), encoded("name", 1, 1), encoded("name", None, 1)),
    *(encoded("name", "a\x00", 1), encoded("name", "a", 2**63), encoded("name", "a", True), encoded("name", "a", 1.5)),
]


def test_a_cursor_that_is_none_or_of_another_sort_is_refused(admin: AdminClient) -> None:
    for cursor in BAD_CURSORS:
        answer = admin.request("GET", f"/v1/sources?sort=name&cursor={cursor}")
        assert (answer.status_code, answer.json["field"]) == (400, "cursor"), cursor


def test_a_cursor_with_a_moment_that_is_none_is_refused(admin: AdminClient) -> None:
    for moment in ("2026-01-01T00:00:00", "yesterday", 5, "0000-01-01T00:00:00Z", ["2026"]):
        answer = admin.request("GET", f"/v1/sources?sort=created_at&cursor={encoded('created_at', moment, 1)}")
        assert (answer.status_code, answer.json["field"]) == (400, "cursor")


def test_a_column_that_is_none_is_refused(admin: AdminClient) -> None:
    for sort in ("prefix", "name;drop", "--name", "", "name,source_id", "NAME"):
        answer = admin.request("GET", f"/v1/sources?sort={quote(sort)}")
        assert (answer.status_code, answer.json["field"]) == (400, "sort")


def test_a_search_finds_names_that_contain_the_text_in_capitals_or_small_letters(admin: AdminClient) -> None:
    for name in ("summer sale", "100%_winter", "back\\slash", "it's"):
        admin.created("sources", name=name)

    def found(text: str) -> list[str]:
        items = admin.request("GET", f"/v1/sources?q={quote(text)}").json["items"]
        return [item["name"] for item in items]

    assert found("SALE") == ["summer sale"]
    assert found("%_") == ["100%_winter"]
    assert found("\\") == ["back\\slash"]
    assert found("'") == ["it's"]
    assert found("") == ["summer sale", "100%_winter", "back\\slash", "it's"]
    assert list(pages(admin, "q=S&sort=-name", 1)) == [[1], [4], [3]]


def test_a_hostile_search_finds_nothing_or_is_refused(admin: AdminClient) -> None:
    admin.created("sources", name="A source")
    headers = {"Authorization": f"ApiKey {admin.token}"}
    # An empty search asks for nothing.
    for name, value in {name: value for name, value in HOSTILE_VALUES.items() if value}.items():
        answer = admin.web.simulate_get("/v1/sources", query_string=f"q={value.decode('latin-1')}", headers=headers)
        if answer.status_code == 200:
            assert answer.json["items"] == [], name
        else:
            assert (answer.status_code, answer.json["field"]) == (400, "q"), name
