"""Changes of all links that a filter finds, and the deletion of unused ones."""

from __future__ import annotations

from typing import Any

import pytest
from falcon.testing import Result
from redis import Redis

from admin_api.bulk_links.saving import LOCK_NUMBER
from admin_api.runtime import Database
from admin_client import AdminClient, published
from link_files import all_links
from publisher_rounds import expected, settle


@pytest.fixture
def links(admin: AdminClient) -> list[dict[str, Any]]:
    """Return three links, two of which have the tag a."""
    merchant, profile = admin.merchant(), admin.profile()
    for number, tags in enumerate((["a", "b"], ["a"], [])):
        url = f"https://old.example/{number}?c={{click_id}}"
        admin.link(merchant, slug=f"s{number}", tags=tags, profile_id=profile["profile_id"], destination_url=url)
    return all_links(admin)


def change(admin: AdminClient, change: dict[str, Any], token: str | None = None, **filters: Any) -> Result:
    return admin.request("POST", "/v1/links/change", {"filter": filters, "change": change, "token": token})


def test_a_preview_shows_what_its_token_does(
    admin: AdminClient, links: list[dict[str, Any]], database: Database, redis: Redis
) -> None:
    source = admin.created("sources", name="S")
    wanted = {"source_id": source["source_id"], "sub1": "x", "active": False, "add_tags": ["New"], "remove_tags": ["b"]}
    shown = change(admin, wanted, tag=["a"]).json
    assert (shown["count"], shown["unchanged"], shown["errors"], shown["changed"]) == (2, 0, 0, None)
    first = links[0]["link_id"]
    assert {"link_id": first, "field": "tags", "before": ["a", "b"], "after": ["a", "new"]} in shown["examples"]
    assert all_links(admin) == links
    done = change(admin, wanted, shown["token"], tag=["a"]).json
    assert (done["changed"], done["token"]) == (2, None)
    after = all_links(admin)
    assert [link["sub1"] for link in after] == ["x", "x", None]
    assert after[0]["tags"] == ["a", "new"]
    assert after[2] == links[2]
    assert after[0]["updated_at"] > links[0]["updated_at"]
    version = admin.request("GET", f"/v1/links/{first}/versions").json["items"][0]
    assert (version["revision"], version["changed_by"]) == (2, "test")
    settle(database, redis)
    assert published(redis) == expected(database)
    again = change(admin, wanted, tag=["a"]).json
    assert (again["count"], again["unchanged"]) == (2, 2)


def test_text_in_destinations_is_replaced_and_a_bad_result_keeps_everything_as_it_is(
    admin: AdminClient, links: list[dict[str, Any]]
) -> None:
    good = {"replace": {"find": "old.example", "with": "new.example"}}
    shown = change(admin, good).json
    assert shown["examples"][0]["after"] == "https://new.example/0?c={click_id}"
    assert change(admin, good, shown["token"]).json["changed"] == 3
    assert all(link["destination_url"].startswith("https://new.example/") for link in all_links(admin))
    bad = change(admin, {"replace": {"find": "{click_id}", "with": "{region"}}).json
    assert (bad["errors"], bad["token"]) == (3, None)
    assert bad["faults"][0]["field"] == "destination_url"


def test_a_link_that_changed_since_the_preview_makes_it_outdated(
    admin: AdminClient, links: list[dict[str, Any]]
) -> None:
    token = change(admin, {"sub1": "x"}, tag=["a"]).json["token"]
    admin.request("PATCH", f"/v1/links/{links[0]['link_id']}", {"sub2": "y"})
    result = change(admin, {"sub1": "x"}, token, tag=["a"])
    assert (result.status_code, result.json["code"]) == (409, "preview-outdated")
    token = change(admin, {"sub1": "x"}, tag=["a"]).json["token"]
    assert change(admin, {"sub1": "z"}, token, tag=["a"]).status_code == 409
    assert change(admin, {"sub1": "x"}, token, tag=["b"]).status_code == 409
    assert change(admin, {"sub1": "x"}, token, tag=["a"]).json["changed"] == 2


def test_links_move_to_a_profile_where_their_slugs_are_free(
    admin: AdminClient, links: list[dict[str, Any]], database: Database, redis: Redis
) -> None:
    other = admin.profile("other.example.com")
    admin.link({"merchant_id": links[0]["merchant_id"]}, slug="s1", profile_id=other["profile_id"])
    move = {"profile_id": other["profile_id"]}
    taken = change(admin, move, profile_id=links[0]["profile_id"]).json
    assert [(fault["link_id"], fault["code"]) for fault in taken["faults"]] == [(links[1]["link_id"], "slug-taken")]
    token = change(admin, move, tag=["b"]).json["token"]
    assert change(admin, move, token, tag=["b"]).json["changed"] == 1
    settle(database, redis)
    assert published(redis) == expected(database)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "change"),
        ({"source_id": 99}, "source_id"),
        ({"merchant_id": None}, "change.merchant_id"),
        ({"destination_url": "javascript:x"}, "change.destination_url"),
        ({"destination_url": "https://x/", "replace": {"find": "a", "with": "b"}}, "change.replace"),
        ({"slug": "x"}, "change.slug"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(
    admin: AdminClient, links: list[dict[str, Any]], wanted: dict[str, Any], field: str
) -> None:
    result = change(admin, wanted)
    assert (result.status_code, result.json["field"]) == (400, field), result.text


def test_another_bulk_change_is_told_to_wait(
    admin: AdminClient, links: list[dict[str, Any]], database: Database
) -> None:
    token = change(admin, {"sub1": "x"}).json["token"]
    with database.transaction():
        database.execute("select pg_advisory_xact_lock(%s)", [LOCK_NUMBER])
        assert change(admin, {"sub1": "x"}, token).json["code"] == "bulk-running"


def test_unused_links_are_deleted_and_used_or_young_ones_stay(
    admin: AdminClient, links: list[dict[str, Any]], database: Database, redis: Redis
) -> None:
    database.execute("update links set created_at = now() - interval '8 days' where slug <> 's2'")
    clicked = links[0]["link_id"]
    database.execute("insert into click_days values ('2026-11-01', %s, 'valid', 1)", [clicked])

    def delete(**body: Any) -> Result:
        return admin.request("POST", "/v1/links/delete-unused", {"filter": {}} | body)

    shown = delete().json
    assert (shown["count"], shown["link_ids"]) == (1, [links[1]["link_id"]])
    assert delete(older_than_days=0).json["count"] == 2
    assert delete(filter={"tag": ["b"]}).json["count"] == 0
    database.execute("insert into click_days values ('2026-11-02', %s, 'bot', 1)", [links[1]["link_id"]])
    outdated = delete(token=shown["token"])
    assert (outdated.status_code, outdated.json["code"]) == (409, "preview-outdated")
    database.execute("delete from click_days where link_id = %s", [links[1]["link_id"]])
    assert delete(token=shown["token"]).json["changed"] == 1
    assert [link["slug"] for link in all_links(admin)] == ["s0", "s2"]
    settle(database, redis)
    assert published(redis) == expected(database)
