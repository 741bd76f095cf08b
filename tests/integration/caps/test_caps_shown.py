"""The operator sees what is used and left of each cap."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from time import time

from psycopg.types.json import Jsonb
from redis import Redis

from admin_api.runtime import Database
from admin_client import AdminClient
from cap_hosts import CapHost, Clock, click_cap, use_up


def test_caps_on_clicks_are_shown_with_their_use(
    admin: AdminClient, database: Database, redis: Redis, tmp_path: Path
) -> None:
    link = admin.link(admin.merchant(), profile_id=admin.profile()["profile_id"])
    caps = [{"cap_id": cap_id, "count": "clicks", "per": "day", "limit": 50} for cap_id in (7, 8)]
    database.execute("update links set routing = %s", [Jsonb({"caps": caps, "time_zone": "UTC"})])
    host = CapHost(redis, tmp_path, Clock(at_s=time()))
    host.publish(click_cap(7, 50), click_cap(8, 50))
    host.step(3)
    assert host.take(7, 3) == 3
    use_up([host], 8, 60)
    first, second = admin.request("GET", f"/v1/caps?link_id={link['link_id']}").json["items"]
    assert (first["used"], first["left"], first["exhausted_since"]) == (3, 47, None)
    assert 3 <= first["granted"] < 50
    assert (second["used"], second["granted"], second["left"], second["overshoot_bound"]) == (50, 50, 0, 0)
    assert datetime.fromisoformat(second["exhausted_since"]) >= datetime.fromisoformat(second["period_start"])
    host.close()


def test_a_list_of_caps_has_pages(admin: AdminClient, database: Database) -> None:
    link = admin.link(admin.merchant(), profile_id=admin.profile()["profile_id"])
    caps = [{"cap_id": cap_id, "count": "clicks", "per": "hour", "limit": 5} for cap_id in range(1, 6)]
    database.execute("update links set routing = %s", [Jsonb({"caps": caps})])
    page = admin.request("GET", "/v1/caps?limit=3").json
    assert [cap["cap_id"] for cap in page["items"]] == [1, 2, 3]
    rest = admin.request("GET", f"/v1/caps?limit=3&cursor={page['next_cursor']}").json
    assert [cap["cap_id"] for cap in rest["items"]] == [4, 5]
    assert {cap["link_id"] for cap in rest["items"]} == {link["link_id"]}
    assert rest["next_cursor"] is None
    assert (rest["items"][0]["used"], rest["items"][0]["granted"], rest["items"][0]["left"]) == (0, 0, 5)
