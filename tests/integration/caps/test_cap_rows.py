"""Caps follow the rule documents of links and rotations, and reach the edge."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.errors import CheckViolation
from psycopg.types.json import Jsonb

from admin_api.configuration.compilation import load_served, stream_served
from admin_api.runtime import Database
from config.configuration import cap_key, decode_cap
from tracking.caps import Cap, CapCount, CapPer


def cap(cap_id: int, limit: int = 10, count: str = "clicks", per: str = "day") -> dict[str, Any]:
    return {"cap_id": cap_id, "count": count, "per": per, "limit": limit}


def document(*link_caps: dict[str, Any], destination: tuple[dict[str, Any], ...] = (), **more: Any) -> Jsonb:
    rule = {"rule_id": 1, "destinations": [{"destination_id": 40, "caps": [*destination]}, {"destination_id": 41}]}
    return Jsonb({"rules": [rule], "caps": [*link_caps], **more})


def save_link(database: Database, routing: Jsonb | None, slug: str = "abc") -> int:
    database.execute(
        "insert into merchants (merchant_id, name, currency) overriding system value"
        " values (1, 'M', 'USD') on conflict do nothing"
    )
    row = database.execute(
        "insert into links (merchant_id, name, slug, destination_url, routing) values (1, 'L', %s,"
        " 'https://m.example/', %s)"
        " returning link_id",
        [slug, routing],
    ).fetchone()
    assert row is not None
    return int(row["link_id"])


def rows(database: Database) -> list[tuple[Any, ...]]:
    found = database.execute("select * from caps order by cap_id").fetchall()
    return [tuple(row.values()) for row in found]


def published(database: Database) -> set[str]:
    keys = {key for row in database.execute("select keys from outbox").fetchall() for key in row["keys"]}
    database.execute("delete from outbox")
    return {key for key in keys if key.startswith("c:")}


def test_a_link_has_its_own_caps_and_those_of_its_destinations(database: Database) -> None:
    link_id = save_link(
        database,
        document(cap(5), destination=(cap(6, 20, "conversions", "hour"), cap(7)), time_zone="Europe/Berlin"),
    )
    assert rows(database) == [
        (5, link_id, None, None, "clicks", "day", 10, "Europe/Berlin"),
        (6, link_id, None, 40, "conversions", "hour", 20, "Europe/Berlin"),
        (7, link_id, None, 40, "clicks", "day", 10, "Europe/Berlin"),
    ]
    assert published(database) == {"c:5", "c:6", "c:7"}


def test_a_cap_is_served_with_its_zone_or_that_of_the_installation(database: Database) -> None:
    save_link(database, document(cap(5), time_zone="Asia/Tokyo"))
    save_link(database, document(cap(6, 3, "conversions", "total")), slug="def")
    served = load_served(database, ["c:5", "c:6", "c:7"])
    assert served["c:7"] is None
    assert [decode_cap(key, data) for key, data in served.items() if data is not None] == [
        Cap(5, CapCount.CLICKS, CapPer.DAY, 10, "Asia/Tokyo"),
        Cap(6, CapCount.CONVERSIONS, CapPer.TOTAL, 3, "UTC"),
    ]
    with database.transaction():
        assert {cap_key(5), cap_key(6)} <= {key for key, _ in stream_served(database)}


def test_only_what_changes_of_a_cap_is_published(database: Database) -> None:
    link_id = save_link(database, document(cap(5), cap(6), cap(7)))
    published(database)
    database.execute("update links set routing = %s where link_id = %s", [document(cap(5), cap(6, limit=11)), link_id])
    assert published(database) == {"c:6", "c:7"}
    assert [row[0] for row in rows(database)] == [5, 6]
    database.execute("update links set name = 'new'")
    assert published(database) == set()


def test_caps_go_with_the_rules_and_with_the_link(database: Database) -> None:
    link_id = save_link(database, document(cap(5)))
    other = save_link(database, document(cap(6)), slug="def")
    published(database)
    database.execute("update links set routing = null where link_id = %s", [link_id])
    assert published(database) == {"c:5"}
    database.execute("delete from links where link_id = %s", [other])
    assert published(database) == {"c:6"}
    assert rows(database) == []


def test_rotations_have_caps_too(database: Database) -> None:
    row = database.execute(
        "insert into rotations (name, destinations, time_zone) values ('R', %s, 'Asia/Tokyo') returning rotation_id",
        [Jsonb([{"destination_id": 50, "caps": [cap(8)]}, {"destination_id": 51, "caps": []}])],
    ).fetchone()
    assert row is not None
    assert rows(database) == [(8, None, row["rotation_id"], 50, "clicks", "day", 10, "Asia/Tokyo")]
    database.execute("update rotations set destinations = %s", [Jsonb([{"destination_id": 50, "caps": [cap(8, 9)]}])])
    assert rows(database)[0][6] == 9
    database.execute("delete from rotations")
    assert published(database) == {"c:8"}


def test_many_links_are_saved_by_one_statement(database: Database) -> None:
    save_link(database, document(cap(5)))
    database.execute(
        "insert into links (merchant_id, name, slug, destination_url, routing) select 1, 'L', 's' || number, 'https://m.example/',"
        " jsonb_build_object('caps', jsonb_build_array(jsonb_build_object('cap_id', number, 'count', 'clicks',"
        " 'per', 'hour', 'limit', 1))) from generate_series(100, 2599) as number"
    )
    assert len(rows(database)) == 2501
    assert len(published(database)) == 2501


def test_a_limit_of_nothing_is_refused(database: Database) -> None:
    with pytest.raises(CheckViolation):
        save_link(database, document(cap(5, limit=0)))
