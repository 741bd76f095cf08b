"""How a merchant's postbacks are read and authenticated: set by the API, kept by the database, served to the edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from psycopg.errors import CheckViolation, UniqueViolation
from redis import Redis

from admin_api.runtime import Database
from admin_client import AdminClient, published
from config.configuration import (
    MirrorReader,
    PublishedAccount,
    account_key,
    decode_account,
    decode_events,
    events_key,
    token_key,
)
from edge.postbacks import Accounts
from publisher_rounds import settle
from tracking.conversions import REPEATABLE_EVENTS, Event

MAPPING: dict[str, Any] = {
    "parameter_names": {"click_id": ["our_ref"], "order_id": ["transaction_id"]},
    "event_words": {"reg_ok": "registration"},
    "status_words": {"7": "rejected"},
    "default_event": "ftd",
    "decimal_separator": ",",
    "platform": "cellxpert",
}


def served_account(redis: Redis, merchant: dict[str, Any]) -> PublishedAccount:
    return decode_account(published(redis)[account_key(merchant["merchant_id"])])


class Mirror:
    """What Redis serves, read as a mirror is."""

    def __init__(self, redis: Redis) -> None:
        self._served = published(redis)

    def get(self, *keys: str) -> list[bytes | None]:
        return [self._served.get(key) for key in keys]


def refusal(admin: AdminClient, merchant: dict[str, Any], **changes: Any) -> tuple[int, str, str | None]:
    answer = admin.request("PATCH", f"/v1/merchants/{merchant['merchant_id']}", changes)
    return answer.status_code, answer.json["code"], answer.json.get("field")


def test_a_mapping_is_stored_shown_and_served(admin: AdminClient, database: Database, redis: Redis) -> None:
    merchant = admin.merchant(
        **MAPPING, currency="EUR", postback_addresses=["203.0.113.0/24"], postback_rate_per_minute=600
    )
    assert {name: merchant[name] for name in MAPPING} == MAPPING
    assert merchant["click_parameter"] == "afp"
    settle(database, redis)
    assert served_account(redis, merchant) == PublishedAccount(
        merchant["merchant_id"], "EUR", "token", ["203.0.113.0/24"], 600, [], MAPPING
    )
    mirror: MirrorReader = Mirror(redis)  # type: ignore[assignment]
    account = Accounts(mirror).find(merchant["postback_token"])
    assert account is not None
    assert account.rules.names["click_id"][:2] == ("our_ref", "afp")
    assert (account.rules.currency, account.rate_per_minute, account.repeatable) == ("EUR", 600, REPEATABLE_EVENTS)


def test_a_change_of_a_mapping_is_one_of_the_account_and_the_same_again_is_none(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant = admin.merchant()
    path = f"/v1/merchants/{merchant['merchant_id']}"
    changed = admin.request("PATCH", path, {"event_words": {"x": "deposit"}, "decimal_separator": "."})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert admin.request("PATCH", path, {"event_words": {"x": "deposit"}}).headers["etag"] == '"2"'
    settle(database, redis)
    assert served_account(redis, merchant).mapping["event_words"] == {"x": "deposit"}
    assert admin.request("PATCH", path, {"event_words": {}, "decimal_separator": None}).status_code == 200
    settle(database, redis)
    assert served_account(redis, merchant).mapping["event_words"] == {}


def test_words_for_event_types_that_do_not_exist_are_refused(admin: AdminClient) -> None:
    merchant = admin.merchant()
    for field, value in (("event_words", {"a": "ftd", "b": "party"}), ("default_event", "party")):
        assert refusal(admin, merchant, **{field: value}) == (400, "invalid-field", field)
        answer = admin.request("POST", "/v1/merchants", {"name": "M", field: value})
        assert (answer.status_code, answer.json["field"]) == (400, field)


def test_an_own_event_type_is_served_and_may_be_mapped(admin: AdminClient, database: Database, redis: Redis) -> None:
    database.execute("insert into event_types (event, name, repeatable) values ('vip_level', 'VIP level', true)")
    database.execute("update event_types set active = false where event = 'qualified'")
    database.execute("insert into outbox (keys) values (%s)", [[events_key()]])
    merchant = admin.merchant(event_words={"level": "vip_level"})
    settle(database, redis)
    events = decode_events(published(redis)[events_key()])
    assert set(events.events) == ({*Event, "vip_level"} - {"qualified"})
    assert set(events.repeatable) == {*REPEATABLE_EVENTS, "vip_level"}
    assert served_account(redis, merchant).mapping["event_words"] == {"level": "vip_level"}


def test_an_address_list_is_needed_where_the_address_authenticates(admin: AdminClient) -> None:
    merchant = admin.merchant()
    assert refusal(admin, merchant, postback_auth="address") == (400, "invalid-field", "postback_addresses")
    path = f"/v1/merchants/{merchant['merchant_id']}"
    both = {"postback_auth": "address", "postback_addresses": ["203.0.113.7"]}
    assert admin.request("PATCH", path, both).json["postback_addresses"] == ["203.0.113.7/32"]
    assert refusal(admin, merchant, postback_addresses=[]) == (400, "invalid-field", "postback_addresses")


def test_a_secret_is_shown_once_and_the_newest_two_are_served(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant = admin.merchant(postback_auth="hmac")
    path = f"/v1/merchants/{merchant['merchant_id']}"
    made = [merchant["postback_secret"]]
    assert made[0].startswith("whsec_")
    shown = admin.request("GET", path)
    assert shown.json["active_secrets"] == 1
    assert made[0] not in shown.text
    for count in (2, 2):
        answer = admin.request("POST", f"{path}/secrets")
        assert answer.status_code == 201
        made.append(answer.json["postback_secret"])
        assert admin.request("GET", path).json["active_secrets"] == count
    settle(database, redis)
    assert served_account(redis, merchant).secrets == made[1:]
    assert len(set(made)) == 3
    assert admin.request("POST", "/v1/merchants/999/secrets").status_code == 404


def test_who_is_to_sign_needs_a_secret_first(admin: AdminClient) -> None:
    merchant = admin.merchant()
    assert refusal(admin, merchant, postback_auth="hmac") == (409, "conflict", "postback_auth")
    path = f"/v1/merchants/{merchant['merchant_id']}"
    assert admin.request("POST", f"{path}/secrets").status_code == 201
    assert admin.request("PATCH", path, {"postback_auth": "hmac"}).json["postback_auth"] == "hmac"


def test_secrets_and_tokens_go_with_their_merchant(admin: AdminClient, database: Database, redis: Redis) -> None:
    merchant = admin.merchant(postback_auth="hmac")
    settle(database, redis)
    assert {account_key(merchant["merchant_id"]), token_key(merchant["postback_token"])} <= set(published(redis))
    assert admin.request("DELETE", f"/v1/merchants/{merchant['merchant_id']}").status_code == 204
    settle(database, redis)
    assert list(published(redis)) == [events_key()]
    assert database.execute("select from merchant_secrets").fetchall() == []


def test_the_platforms_say_what_a_link_carries(admin: AdminClient) -> None:
    items = {item["platform"]: item for item in admin.request("GET", "/v1/platforms").json["items"]}
    assert {name: item["link_parameter"] for name, item in items.items()} == {
        "cellxpert": "afp={dyn}",
        "myaffiliates": "payload={dyn}",
        "incomeaccess": "c={dyn}",
    }
    merchant = admin.merchant(platform="incomeaccess", click_parameter="own")
    assert merchant["click_parameter"] == "own"


def test_a_dynamic_variable_is_served_with_the_prefix_of_its_source(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    merchant, source = admin.merchant(), admin.created("sources", name="News", prefix="NL")
    url = "https://m.example/?afp={dyn}"
    with_source = admin.link(merchant, destination_url=url, source_id=source["source_id"], slug="with")
    admin.link(merchant, destination_url=url, slug="without")
    settle(database, redis)
    assert b'"dyn:NL"' in published(redis)["l:0:with"]
    assert b'"dyn:DP"' in published(redis)["l:0:without"]
    admin.request("PATCH", f"/v1/sources/{source['source_id']}", {"prefix": "ABCD"})
    settle(database, redis)
    assert b'"dyn:ABCD"' in published(redis)["l:0:with"]
    assert with_source["destination_url"] == url


def test_the_database_holds_each_nonce_of_an_account_once_a_moment(database: Database) -> None:
    insert = "insert into postback_nonces values (%s, %s, gen_random_uuid(), '2026-11-01 12:00+00')"
    database.execute(insert, [1, "a"])
    database.execute(insert, [2, "a"])
    with pytest.raises(UniqueViolation):
        database.execute(insert, [1, "a"])
    with pytest.raises(CheckViolation):
        database.execute(insert, [1, ""])


def test_a_merchant_of_the_release_before_is_published_as_an_account_when_the_database_is_migrated(
    database: Database,
) -> None:
    files = sorted((Path(__file__).resolve().parents[3] / "migrations").glob("0*.sql"))
    incoming = next(file for file in files if file.name.startswith("0004_"))
    database.execute("create schema before")
    database.execute("set search_path to before")
    for file in files[: files.index(incoming)]:
        database.execute(file.read_bytes())
    database.execute("insert into merchants (name, postback_auth) values ('old', 'none'), ('older', 'token')")
    database.execute(incoming.read_bytes())
    waiting = database.execute("select keys from outbox order by change_id").fetchall()
    assert [sorted(row["keys"]) for row in waiting] == [[account_key(1), account_key(2)], [events_key()]]
    kept = database.execute(
        "select postback_auth, parameter_names, postback_addresses from merchants order by 1"
    ).fetchall()
    assert [tuple(row.values()) for row in kept] == [("none", {}, []), ("token", {}, [])]


def test_a_merchant_that_has_conversions_is_kept(admin: AdminClient, database: Database) -> None:
    """Its link may be another merchant's by now; without it, what it owes for the conversion would not be booked."""
    merchant, other = admin.merchant(), admin.merchant()
    link = admin.link(merchant)
    database.execute(
        "insert into conversions (click_id, merchant_id, link_id, event, status, payout_minor, currency, authenticated,"
        " clicked_at, received_at)"
        " values (gen_random_uuid(), %s, %s, 'ftd', 'pending', 2500, 'USD', true, now(), now())",
        [merchant["merchant_id"], link["link_id"]],
    )
    moved = admin.request("PATCH", f"/v1/links/{link['link_id']}", {"merchant_id": other["merchant_id"]})
    assert moved.status_code == 200
    refused = admin.request("DELETE", f"/v1/merchants/{merchant['merchant_id']}")
    assert (refused.status_code, refused.json["code"]) == (409, "in-use")
    assert admin.request("GET", f"/v1/merchants/{merchant['merchant_id']}").status_code == 200
    database.execute("delete from conversion_changes")
    database.execute("delete from conversions")
    assert admin.request("DELETE", f"/v1/merchants/{merchant['merchant_id']}").status_code == 204
