"""The archive: what is in it is hidden, out of use, kept as it is, and brought back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from falcon.testing import Result
from redis import Redis

from admin_api.runtime import Database
from admin_client import AdminClient, published
from config.configuration import decode_link, link_key
from publisher_rounds import settle

KINDS: dict[str, dict[str, Any]] = {
    "profiles": {"name": "One", "domain": "one.example.com"},
    "merchants": {"name": "One"},
    "sources": {"name": "One"},
    "rotations": {"name": "One", "destinations": [{"url": "https://r.example/"}]},
    "commission-plans": {"name": "One", "starts_on": "2020-01-01", "currency": "USD", "active": False},
    "outgoing-postbacks": {"name": "One", "url": "https://p.example/?id={click_id}", "state": "disabled"},
}


def act(admin: AdminClient, path: str, verb: str, tag: str = "*") -> Result:
    return admin.request("POST", f"/v1/{path}/{verb}", If_Match=tag)


def listed(admin: AdminClient, plural: str, query: str = "") -> int:
    return len(admin.request("GET", f"/v1/{plural}{query}").json["items"])


@pytest.mark.parametrize("plural", KINDS)
def test_each_kind_is_archived_hidden_and_restored(admin: AdminClient, plural: str) -> None:
    made = admin.created(plural, **KINDS[plural])
    path = f"{plural}/{next(value for name, value in made.items() if name.endswith('_id'))}"
    archived = act(admin, path, "archive", '"1"')
    assert archived.status_code == 200
    assert archived.json["archived_at"] is not None
    assert archived.headers["ETag"] == '"2"'
    assert act(admin, path, "archive").headers["ETag"] == '"2"'
    found = [listed(admin, plural, query) for query in ("", "?archived=true", "?archived=any", "?archived=false")]
    assert found == [0, 1, 1, 0]
    assert admin.request("GET", f"/v1/{path}").json == archived.json
    refused = admin.request("PATCH", f"/v1/{path}", {"name": "Other"})
    assert (refused.status_code, refused.json["code"]) == (409, "archived")
    assert act(admin, path, "restore", '"1"').status_code == 412
    restored = act(admin, path, "restore", '"2"')
    assert {**restored.json, "updated_at": made["updated_at"]}.items() <= made.items()
    assert listed(admin, plural) == 1
    act(admin, path, "archive")
    assert admin.request("DELETE", f"/v1/{path}").status_code == 204


def test_an_archived_link_is_served_as_switched_off_and_again_when_it_is_restored(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    profile = admin.profile(fallback_url="https://fallback.example/")
    link = admin.link(admin.merchant(), profile_id=profile["profile_id"], slug="abc")
    key = link_key(profile["profile_id"], "abc")
    for verb, active in (("archive", False), ("restore", True)):
        act(admin, f"links/{link['link_id']}", verb)
        settle(database, redis)
        assert decode_link(published(redis)[key]).active is active


def test_nothing_is_archived_while_links_in_use_name_it(admin: AdminClient) -> None:
    ids = {
        plural: admin.created(plural, **KINDS[plural]) for plural in ("profiles", "merchants", "sources", "rotations")
    }
    names = {
        each: ids[plural][each] for plural, each in zip(ids, ("profile_id", "merchant_id", "source_id"), strict=False)
    }
    rules = {"rules": [{"destinations": [{"rotation_id": ids["rotations"]["rotation_id"]}]}]}
    link = admin.created("links", destination_url="https://m.example/", routing=rules, **names)
    paths = [f"{plural}/{made[plural[:-1] + '_id']}" for plural, made in ids.items()]
    assert {act(admin, path, "archive").json["code"] for path in paths} == {"in-use"}
    act(admin, f"links/{link['link_id']}", "archive")
    assert {act(admin, path, "archive").status_code for path in paths} == {200}
    refused = act(admin, f"links/{link['link_id']}", "restore")
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (400, "archived", "profile_id")


def test_a_plan_or_an_outgoing_postback_that_works_is_not_archived(admin: AdminClient) -> None:
    plan = admin.created("commission-plans", **KINDS["commission-plans"] | {"active": True})
    outgoing = admin.created("outgoing-postbacks", **KINDS["outgoing-postbacks"] | {"state": "enabled"})
    for path in (f"commission-plans/{plan['plan_id']}", f"outgoing-postbacks/{outgoing['outgoing_postback_id']}"):
        assert act(admin, path, "archive").json["code"] == "in-use"
    admin.request("PATCH", f"/v1/commission-plans/{plan['plan_id']}", {"active": False})
    admin.created("merchants", name="M", default_plan_id=plan["plan_id"])
    assert act(admin, f"commission-plans/{plan['plan_id']}", "archive").json["code"] == "in-use"


def test_nothing_new_may_name_what_is_archived(admin: AdminClient) -> None:
    merchant, other = admin.merchant(), admin.merchant()
    link = admin.link(other)
    act(admin, f"merchants/{merchant['merchant_id']}", "archive")
    new = {"merchant_id": merchant["merchant_id"], "destination_url": "https://m.example/"}
    assert admin.request("POST", "/v1/links", new).json["code"] == "archived"
    moved = admin.request("PATCH", f"/v1/links/{link['link_id']}", {"merchant_id": merchant["merchant_id"]})
    assert (moved.json["code"], moved.json["field"]) == ("archived", "merchant_id")
    change = {"filter": {}, "change": {"merchant_id": merchant["merchant_id"]}}
    assert admin.request("POST", "/v1/links/change", change).status_code == 400


def test_a_change_of_many_links_leaves_archived_ones_alone(admin: AdminClient) -> None:
    merchant = admin.merchant()
    kept, changed = admin.link(merchant, slug="kept"), admin.link(merchant, slug="changed")
    act(admin, f"links/{kept['link_id']}", "archive")
    for wanted in ({}, {"archived": "any"}):
        body = {"filter": wanted, "change": {"add_tags": ["new"]}}
        assert admin.request("POST", "/v1/links/change", body).json["count"] == 1
    assert admin.request("GET", "/v1/links/export.ndjson").text.count("\n") == 1
    assert admin.request("GET", f"/v1/links?link_id={changed['link_id']}").json["items"][0]["slug"] == "changed"


def test_a_link_that_is_saved_while_its_merchant_is_archived_is_refused_or_comes_first(
    admin: AdminClient, database: Database
) -> None:
    for _ in range(5):
        merchant = admin.merchant()
        number = merchant["merchant_id"]
        new = {"merchant_id": number, "destination_url": "https://m.example/"}
        with ThreadPoolExecutor(2) as threads:
            saved = threads.submit(admin.request, "POST", "/v1/links", new)
            archived = threads.submit(act, admin, f"merchants/{number}", "archive")
            assert {saved.result().status_code, archived.result().status_code} in ({201, 409}, {400, 200})
    found = database.execute(
        "select count(*) as count from links join merchants using (merchant_id) where merchants.archived_at is not null"
    ).fetchone()
    assert found == {"count": 0}
