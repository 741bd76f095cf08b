"""Every change of a link is a version of it, and a version can be gone back to."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from admin_api.migrate import migrate
from admin_api.runtime import Actor, Database, attributed
from admin_client import AdminClient, connect
from config.database import migration_files
from documented import assert_as_documented
from tracking.rights import Role, rights_of


def versions(admin: AdminClient, link: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    result = admin.request("GET", f"/v1/links/{link['link_id']}/versions{query}")
    assert_as_documented(admin, "GET /v1/links/{link_id}/versions", result)
    items: list[dict[str, Any]] = result.json["items"]
    return items


def path_of(link: dict[str, Any], more: str = "") -> str:
    return f"/v1/links/{link['link_id']}{more}"


def roll_back(admin: AdminClient, link: dict[str, Any], revision: int, **headers: str) -> Any:
    return admin.request("POST", path_of(link, "/rollback"), {"revision": revision}, **headers)


def test_a_change_says_who_made_it_and_what_it_changed(admin: AdminClient, database: Database) -> None:
    link = admin.link(admin.merchant())
    admin.request("PATCH", path_of(link), {"name": "Autumn", "active": False})
    token = database.execute("select token_id, name from api_tokens").fetchone()
    assert token is not None
    newest, first = versions(admin, link)
    assert (newest["revision"], newest["token_id"], newest["changed_by"]) == (2, token["token_id"], token["name"])
    assert sorted(newest["changes"], key=lambda each: each["field"]) == [
        {"field": "active", "before": True, "after": False},
        {"field": "name", "before": link["slug"], "after": "Autumn"},
    ]
    assert (first["revision"], first["token_id"], first["changes"]) == (1, token["token_id"], [])
    assert first["changed_at"] == link["created_at"]


def test_a_change_that_changes_nothing_makes_no_version(admin: AdminClient, database: Database) -> None:
    link = admin.link(admin.merchant())
    admin.request("PATCH", path_of(link), {"name": link["name"]})
    database.execute("update links set name = name")
    assert [each["revision"] for each in versions(admin, link)] == [1]


def test_a_change_by_hand_and_one_of_many_links_are_versions_too(admin: AdminClient, database: Database) -> None:
    merchant = admin.merchant()
    links = [admin.link(merchant) for _ in range(3)]
    database.execute("update links set active = false")
    with attributed(database, Actor("an import", 7, None, Role.OWNER, rights_of(Role.OWNER), None)):
        database.execute("update links set active = true, revision = revision + 1")
    for link in links:
        shown = [(each["revision"], each["changed_by"]) for each in versions(admin, link)]
        assert shown == [(3, "an import"), (2, None), (1, "test")]
        assert admin.request("GET", path_of(link)).headers["etag"] == '"3"'


def test_versions_are_listed_page_by_page(admin: AdminClient) -> None:
    link = admin.link(admin.merchant())
    for number in range(4):
        admin.request("PATCH", path_of(link), {"name": f"name {number}"})
    page = admin.request("GET", path_of(link, "/versions?limit=2")).json
    assert [each["changes"][0]["before"] for each in page["items"]] == ["name 2", "name 1"]
    rest = versions(admin, link, f"?limit=3&cursor={page['next_cursor']}")
    assert [(each["revision"], len(each["changes"])) for each in rest] == [(3, 1), (2, 1), (1, 0)]


def test_a_version_shows_all_fields_as_they_were(admin: AdminClient) -> None:
    link = admin.link(admin.merchant(), sub3="before")
    admin.request("PATCH", path_of(link), {"sub3": None, "sub4": "after"})
    result = admin.request("GET", path_of(link, "/versions/1"))
    assert_as_documented(admin, "GET /v1/links/{link_id}/versions/{revision}", result)
    assert result.json["fields"] == {name: link[name] for name in result.json["fields"]}
    assert (result.json["fields"]["sub3"], result.json["fields"]["sub4"]) == ("before", None)
    for missing in ("/versions/3", "/versions/0", "/versions/99999999999"):
        assert admin.request("GET", path_of(link, missing)).status_code == 404


def test_going_back_is_a_new_version(admin: AdminClient) -> None:
    link = admin.link(admin.merchant(), sub1="one")
    admin.request("PATCH", path_of(link), {"destination_url": "https://other.example/", "sub1": None})
    result = roll_back(admin, link, 1)
    assert (result.status_code, result.headers["etag"]) == (200, '"3"')
    assert_as_documented(admin, "POST /v1/links/{link_id}/rollback", result)
    assert result.json | {"updated_at": ""} == link | {"updated_at": ""}
    assert [each["revision"] for each in versions(admin, link)] == [3, 2, 1]
    again = roll_back(admin, link, 1)
    assert again.headers["etag"] == '"3"'


def test_going_back_is_published(admin: AdminClient, database: Database) -> None:
    link = admin.link(admin.merchant())
    admin.request("PATCH", path_of(link), {"active": False})
    database.execute("delete from outbox")
    roll_back(admin, link, 1)
    assert [row["keys"] for row in database.execute("select keys from outbox")] == [[f"l:0:{link['slug']}"] * 2]


def test_going_back_needs_the_present_revision_where_if_match_names_one(admin: AdminClient) -> None:
    link = admin.link(admin.merchant())
    admin.request("PATCH", path_of(link), {"name": "Second"})
    assert roll_back(admin, link, 1, If_Match='"1"').status_code == 412
    assert roll_back(admin, link, 9).status_code == 404
    assert roll_back(admin, link, 1, If_Match='"2"').status_code == 200


@pytest.mark.parametrize("field", ["source_id", "plan_id", "profile_id"])
def test_a_version_that_needs_what_is_gone_is_a_conflict_that_names_it(
    admin: AdminClient, database: Database, field: str
) -> None:
    merchant = admin.merchant()
    made = {
        "source_id": lambda: admin.created("sources", name="S"),
        "plan_id": lambda: admin.created("commission-plans", name="P", currency="USD", starts_on="2026-01-01"),
        "profile_id": admin.profile,
    }[field]()
    link = admin.link(merchant, **{field: made[field]})
    admin.request("PATCH", path_of(link), {field: None})
    plural = {"source_id": "sources", "plan_id": "commission-plans", "profile_id": "profiles"}[field]
    assert admin.request("DELETE", f"/v1/{plural}/{made[field]}").status_code == 204
    before = admin.request("GET", path_of(link)).json
    result = roll_back(admin, link, 1)
    assert (result.status_code, result.json["code"], result.json["field"]) == (409, "rollback-refused", field)
    assert "does not exist" in result.json["detail"]
    assert admin.request("GET", path_of(link)).json == before


def test_a_version_whose_merchant_is_gone_is_a_conflict(admin: AdminClient) -> None:
    gone = admin.merchant()
    link = admin.link(gone)
    admin.request("PATCH", path_of(link), {"merchant_id": admin.merchant()["merchant_id"]})
    assert admin.request("DELETE", f"/v1/merchants/{gone['merchant_id']}").status_code == 204
    result = roll_back(admin, link, 1)
    assert (result.status_code, result.json["code"], result.json["field"]) == (409, "rollback-refused", "merchant_id")


def test_a_version_whose_slug_was_taken_since_is_a_conflict(admin: AdminClient) -> None:
    merchant = admin.merchant()
    link = admin.link(merchant, slug="spring")
    admin.request("PATCH", path_of(link), {"slug": "autumn"})
    admin.link(merchant, slug="spring")
    assert roll_back(admin, link, 1).json["code"] == "slug-taken"


def test_a_version_with_a_destination_that_is_refused_today_is_a_conflict(
    admin: AdminClient, database: Database
) -> None:
    link = admin.link(admin.merchant())
    database.execute("update links set destination_url = 'ftp://old.example/' where link_id = %s", [link["link_id"]])
    admin.request("PATCH", path_of(link), {"destination_url": "https://new.example/"})
    result = roll_back(admin, link, 2)
    assert (result.json["code"], result.json["field"]) == ("rollback-refused", "destination_url")


def test_two_changes_at_once_are_two_versions_or_one_and_a_refusal(admin: AdminClient, database_url: str) -> None:
    link = admin.link(admin.merchant())

    def change(number: int) -> int:
        body = {"name": f"by {number}"}
        status: int = admin.request("PATCH", path_of(link), body, If_Match='"1"').status_code
        return status

    with ThreadPoolExecutor(2) as threads, psycopg.connect(database_url) as blocker:
        # Both wait for the same row, so that neither is done before the other begins.
        blocker.execute("select from links for update")
        waiting = [threads.submit(change, number) for number in (1, 2)]
        blocker.rollback()
        answers = sorted(each.result() for each in waiting)
    assert answers == [200, 412]
    assert [each["revision"] for each in versions(admin, link)] == [2, 1]


def test_links_from_before_versions_have_their_state_as_the_first(postgres_server: str) -> None:
    name = f"waypost_old_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(f"create database {name}")
        try:
            with closing(connect(urlsplit(postgres_server)._replace(path=f"/{name}").geturl())) as database:
                migrate(database, [path for path in migration_files() if path.stem < "0014"])
                database.execute("insert into merchants (name) values ('M')")
                database.execute(
                    "insert into links (name, merchant_id, slug, destination_url, revision)"
                    " values ('Old', 1, 'old', 'https://m.example/', 5)"
                )
                migrate(database, migration_files())
                kept = database.execute("select revision, changed_by, fields from link_versions").fetchall()
        finally:
            server.execute(f"drop database {name} with (force)")
    fields = {"name": "Old", "merchant_id": 1, "slug": "old", "destination_url": "https://m.example/", "active": True}
    assert [(row["revision"], row["changed_by"]) for row in kept] == [(5, None)]
    assert fields.items() <= kept[0]["fields"].items()


def test_the_versions_of_a_link_go_with_it(admin: AdminClient, database: Database) -> None:
    link = admin.link(admin.merchant())
    assert admin.request("DELETE", path_of(link)).status_code == 204
    assert admin.request("GET", path_of(link, "/versions")).status_code == 404
    assert database.execute("select from link_versions").fetchall() == []
