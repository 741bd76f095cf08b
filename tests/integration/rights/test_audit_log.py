"""The audit log: written with every change of a person or an API token, and out of reach of the admin itself."""

from __future__ import annotations

import psycopg
import pytest

from admin_api.runtime import Database
from admin_client import AdminClient


def records(admin: AdminClient, query: str = "") -> list[dict[str, object]]:
    answer = admin.request("GET", f"/v1/audit?limit=500&{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json["items"]
    return items


def test_what_is_created_changed_and_deleted_is_recorded_as_it_was_and_as_it_is(admin: AdminClient) -> None:
    source = admin.created("sources", name="Before")
    path = f"/v1/sources/{source['source_id']}"
    admin.request("PATCH", path, {"name": "After"})
    admin.request("DELETE", path)
    deleted, changed, created = records(admin, "object=source")
    assert (created["action"], created["before"], created["after"]["name"]) == ("create", None, "Before")  # type: ignore[index]
    assert (changed["action"], changed["before"], changed["after"]) == ("change", {"name": "Before"}, {"name": "After"})
    assert (deleted["action"], deleted["after"], deleted["before"]["name"]) == ("delete", None, "After")  # type: ignore[index]
    assert {(each["actor"], each["address"], each["object_id"]) for each in (created, changed, deleted)} == {
        ("test", "127.0.0.1", str(source["source_id"]))
    }
    assert created["token_id"] is not None


def test_a_secret_is_never_in_the_log_but_a_change_of_it_is(admin: AdminClient, database: Database) -> None:
    merchant = admin.merchant()
    made = admin.request("POST", f"/v1/merchants/{merchant['merchant_id']}/secrets").json["postback_secret"]
    outgoing = admin.created("outgoing-postbacks", name="Partner", url="https://p.example/")
    admin.request("POST", f"/v1/outgoing-postbacks/{outgoing['outgoing_postback_id']}/secret")
    (change,) = records(admin, "object=outgoing%20postback&action=change")
    assert str(change["before"]).count("secret ") == 1
    log = str(records(admin))
    stored = database.execute(
        "select secret from merchant_secrets union select unnest(secrets) from outgoing_postbacks"
    )
    for secret in (made, outgoing["secret"], merchant["postback_token"], *(row["secret"] for row in stored)):
        assert secret not in log
    hashes = database.execute("select token_hash from merchant_tokens union select token_hash from api_tokens")
    assert all(row["token_hash"] not in log for row in hashes)


def test_a_change_of_nothing_is_not_recorded(admin: AdminClient) -> None:
    source = admin.created("sources", name="Same")
    before = len(records(admin))
    admin.request("PATCH", f"/v1/sources/{source['source_id']}", {"name": "Same"})
    assert len(records(admin)) == before


def test_a_change_that_fails_leaves_no_record(admin: AdminClient) -> None:
    merchant = admin.merchant()
    admin.link(merchant, slug="taken")
    before = len(records(admin))
    body = {
        "name": "x",
        "merchant_id": merchant["merchant_id"],
        "slug": "taken",
        "destination_url": "https://m.example/",
    }
    assert admin.request("POST", "/v1/links", body).status_code == 409
    assert len(records(admin)) == before


def test_a_bulk_change_is_recorded_link_by_link(admin: AdminClient) -> None:
    merchant = admin.merchant()
    ids = {str(admin.link(merchant, name=f"link {number}")["link_id"]) for number in range(5)}
    change = {"filter": {"merchant_id": merchant["merchant_id"]}, "change": {"add_tags": ["new"]}}
    preview = admin.request("POST", "/v1/links/change", change)
    if preview.status_code != 200:
        pytest.fail(preview.text)
    done = admin.request("POST", "/v1/links/change", change | {"token": preview.json["token"]})
    assert done.status_code == 200, done.text
    found = records(admin, "object=link&action=change")
    assert {each["object_id"] for each in found} == ids
    assert all((each["before"], each["after"]) == ({"tags": []}, {"tags": ["new"]}) for each in found)


def test_the_list_is_filtered_and_paged(admin: AdminClient) -> None:
    for number in range(4):
        admin.created("sources", name=f"Source {number}")
    everything = records(admin)
    found: list[object] = []
    path = "/v1/audit?limit=3"
    while path:
        page = admin.request("GET", path).json
        found += page["items"]
        path = f"/v1/audit?limit=3&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert found == everything
    one = everything[0]
    assert records(admin, f"object={one['object']}&object_id={one['object_id']}&token_id={one['token_id']}") == [one]
    assert records(admin, "user_id=999") == records(admin, "to=2020-01-01T00:00:00Z") == []


def test_what_workers_do_is_not_in_it(admin: AdminClient, database: Database) -> None:
    admin.created("sources", name="Mine")
    before = len(records(admin))
    database.execute("update sources set name = 'a worker was here'")
    assert len(records(admin)) == before


@pytest.mark.parametrize("role", ["waypost_admin", "waypost_partner"])
def test_nobody_writes_it_by_hand(database: Database, role: str) -> None:
    database.execute(f"set role {role}")
    for statement in (
        "insert into audit_log (actor, action, object, object_id) values ('x', 'change', 'link', '1')",
        "update audit_log set actor = 'somebody else'",
        "delete from audit_log",
        "truncate audit_log",
        "alter table sources disable trigger created_is_audited",
        "drop trigger created_is_audited on sources",
        "drop table audit_log",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.execute(statement)


def test_a_temporary_table_of_the_same_name_takes_nothing_from_it(admin: AdminClient, database: Database) -> None:
    before = len(records(admin))
    with database.transaction():
        database.execute("set local role waypost_admin")
        database.execute("select set_config('waypost.caller', '{\"name\": \"mallory\"}', true)")
        database.execute("create temporary table audit_log (like public.audit_log) on commit drop")
        database.execute("insert into sources (name) values ('hidden')")
    (made, *_) = records(admin)
    assert (len(records(admin)), made["actor"]) == (before + 1, "mallory")
