"""What a profile says is stored of an address is what is stored, wherever it stands, and a click is found by it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

import worker_cases as cases
from admin_client import AdminClient, admin_client
from documented import assert_as_documented
from tracking.privacy import RetentionClass
from tracking.visitors import visitor_key, visitor_number
from worker import clicks, postbacks
from worker.retention import drop_old
from worker.runtime import Resources, install

ADDRESS = "203.0.113.77"
AGENT = "curl/8"
STORED = {"whole": ADDRESS, "truncated": "203.0.113.0", "hashed": None}


@pytest.fixture
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as resources:
        yield resources


@pytest.fixture
def admin(database_url: str, redis_url: str) -> Iterator[AdminClient]:
    with admin_client(database_url, redis_url) as client:
        yield AdminClient(dataclasses.replace(client.collaborators, click_id_keys=(cases.KEY,)), client.token)


_numbers = iter(range(10**6))


def store(**changes: Any) -> str:
    made = cases.click(**{"ip": ADDRESS, "user_agent": AGENT} | changes)
    clicks.store_batch(cases.SPOOL, next(_numbers), cases.payloads([made]))
    return made.click_id


def use(database_url: str, storage: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("update profiles set address_storage = %s", [storage])


# A batch with poison goes another way than a usual one.
@pytest.mark.parametrize("is_usual", [True, False], ids=["usual", "unusual"])
@pytest.mark.parametrize("storage", STORED)
def test_an_address_is_stored_as_the_profile_says_wherever_it_stands(
    used: Resources, database_url: str, storage: str, is_usual: bool
) -> None:
    use(database_url, storage)
    made = cases.click(
        ip=ADDRESS,
        user_agent=AGENT,
        query=f"sub1={ADDRESS}&cid={ADDRESS}&x=1",
        referrer=f"https://ref.example/?v={ADDRESS}",
        location=f"https://m.example/?i={ADDRESS}",
    )
    payloads = cases.payloads([made]) + ([] if is_usual else ["poison"])
    clicks.store_batch(cases.SPOOL, 0, payloads)
    kept = STORED[storage] or ""
    ((ip, length, *texts, parameters, number),) = cases.rows(
        database_url,
        "select host(ip), masklen(ip), sub1, external_id, referrer, location, query, parameters, visitor from clicks",
    )
    assert (ip, length) == (STORED[storage], {"whole": 32, "truncated": 24, "hashed": None}[storage])
    assert texts == [
        kept,
        kept or None,
        f"https://ref.example/?v={kept}",
        f"https://m.example/?i={kept}",
        f"sub1={kept}&cid={kept}&x=1",
    ]
    assert parameters == {"sub1": kept, "cid": kept, "x": "1"}
    # The number is that of the whole address.
    assert number == visitor_number(ADDRESS, AGENT, visitor_key(cases.KEY))


def test_profiles_of_one_batch_each_have_their_own_way(used: Resources, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("insert into profiles (name, domain) values ('new', 'new.example.com')")
    # Of the first profile, of one that is new, and of one that is gone.
    made = [cases.click(ip=ADDRESS, profile_id=profile_id) for profile_id in (1, 2, 99)]
    clicks.store_batch(cases.SPOOL, 0, cases.payloads(made))
    assert cases.rows(database_url, "select host(ip) from clicks order by spool_number") == [
        (ADDRESS,),
        ("203.0.113.0",),
        ("203.0.113.0",),
    ]


def test_a_change_counts_from_the_next_batch_on(used: Resources, database_url: str) -> None:
    store()
    use(database_url, "hashed")
    store()
    assert cases.rows(database_url, "select host(ip) from clicks order by click_id") == [(ADDRESS,), (None,)]


def test_the_country_is_found_before_the_address_is_cut(used: Resources, database_url: str) -> None:
    for storage in STORED:
        use(database_url, storage)
        store(ip="8.8.8.8")
    ((*countries,),) = cases.rows(database_url, "select array_agg(distinct country) from clicks")
    assert countries[0] == ["US"]


@pytest.mark.parametrize(
    ("storage", "asked", "found_by"),
    [
        ("whole", ADDRESS, "address"),
        ("whole", "203.0.113.0/24", "address"),
        ("whole", "203.0.113.78", None),
        ("truncated", ADDRESS, "visitor"),
        ("truncated", "203.0.113.78", "network"),
        ("truncated", "203.0.113.0/24", "address"),
        ("truncated", "203.0.113.64/26", "network"),
        ("truncated", "203.0.114.77", None),
        ("hashed", ADDRESS, "visitor"),
        ("hashed", "203.0.113.78", None),
        ("hashed", "203.0.113.0/24", None),
    ],
)
def test_a_trace_finds_a_click_by_its_address_and_says_how(
    admin: AdminClient, used: Resources, database_url: str, storage: str, asked: str, found_by: str | None
) -> None:
    use(database_url, storage)
    click_id = store()
    result = admin.request("GET", f"/v1/trace?ip={asked}&at={quote(datetime.now(UTC).isoformat())}")
    assert_as_documented(admin, "GET /v1/trace", result)
    found = [(each["click_id"], each["found_by"], each["ip"]) for each in result.json["clicks"]]
    assert found == ([] if found_by is None else [(click_id, found_by, STORED[storage])])


def test_outgoing_postbacks_get_what_is_stored(used: Resources, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into outgoing_postbacks (name, url, secrets) values ('out', 'https://p.example/?i={ip}', '{s}')"
        )
    for number, storage in enumerate(STORED):
        use(database_url, storage)
        sent = cases.postback(store(), fields={"order_id": f"O-{number}"})
        postbacks.store_batch(cases.POSTBACK_SPOOL, number, cases.postback_payloads([sent]))
    stored = cases.rows(database_url, "select facts ->> 'ip' from deliveries order by planned_at")
    assert [ip or None for (ip,) in stored] == list(STORED.values())


def test_a_click_that_was_dropped_is_known_to_be_and_its_conversion_is_traced(
    admin: AdminClient, used: Resources, database_url: str
) -> None:
    at_ms = int((datetime.now(UTC) - timedelta(days=40)).timestamp() * 1000)
    converted, silent = (cases.mint_at(at_ms, generation=number) for number in (1, 2))
    for click_id in (converted, silent):
        store(click_id=click_id, at_ms=at_ms)
    sent = cases.postback(converted, at_ms=at_ms + 1000)
    postbacks.store_batch(cases.POSTBACK_SPOOL, 0, cases.postback_payloads([sent]))
    kept = dict.fromkeys(used.retention, 0) | {RetentionClass.CLICKS: 30}
    install(dataclasses.replace(used, retention=kept))
    drop_old()
    for path in (f"/v1/clicks/{silent}", f"/v1/clicks/{silent}/trace"):
        answer = admin.request("GET", path)
        assert (answer.status_code, answer.json["code"]) == (404, "click-dropped"), path
    trace = admin.request("GET", f"/v1/trace?click_id={converted}")
    assert_as_documented(admin, "GET /v1/trace", trace)
    shown = trace.json["trace"]
    assert (shown["stored"], shown["dropped"]) == (False, True)
    assert [step["kind"] for step in shown["steps"]][:1] == ["postback-received"]
    # Also without its postbacks the conversion is there.
    with psycopg.connect(database_url) as connection:
        connection.execute("delete from postbacks")
    shown = admin.request("GET", f"/v1/trace?click_id={converted}").json["trace"]
    assert "conversion-made" in [step["kind"] for step in shown["steps"]]
    fresh = cases.click().click_id
    assert admin.request("GET", f"/v1/clicks/{fresh}").json["code"] == "click-not-stored"
