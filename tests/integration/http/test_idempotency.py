"""Idempotency-Key: a repeated request is carried out once, whatever is killed and however many come at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from falcon.testing import Result

from admin_api.http import idempotency
from admin_api.runtime import Database
from admin_client import AdminClient, admin_client
from money_cases import opened_books

SOURCE = {"name": "A source"}
KEY = "7d2f7c38-0a6e-4f0e-9d59-0f3c1d0e7a11"
_DUE = {
    "party": "source",
    "kind": "commission",
    "source_id": 1,
    "amount_minor": 700,
    "currency": "USD",
    "payout_schedule": "monthly",
    "payable_at": "2026-01-01T00:00:00Z",
}
# Answers one request in a process of its own, which is killed when the request has done everything but commit.
_KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[4:]
from admin_api.http import idempotency
from admin_client import admin_client

def answer_once(self, req, resp, asked, act):
    def act_and_die():
        act()
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, req, resp, asked, act_and_die)

whole = idempotency.KeptAnswers.answer_once
idempotency.KeptAnswers.answer_once = answer_once
with admin_client(sys.argv[1], sys.argv[2]) as admin:
    admin.token = sys.argv[3]
    admin.request("POST", "/v1/sources", {"name": "A source"}, Idempotency_Key="of-the-killed")
"""


def post(admin: AdminClient, path: str, body: Any = None, key: str = KEY) -> Result:
    return admin.request("POST", f"/v1/{path}", body, Idempotency_Key=key)


def count(database: Database, table: str) -> int:
    row = database.execute(f"select count(*) as count from {table}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row["count"])


def assert_repeated(first: Result, second: Result) -> None:
    assert second.headers.pop("Idempotency-Replayed") == "true"
    assert "Idempotency-Replayed" not in first.headers
    for name in ("ETag", "Location", "Content-Type"):
        assert first.headers.get(name) == second.headers.get(name)
    assert (first.status_code, first.content) == (second.status_code, second.content)


def test_the_same_key_and_body_get_the_same_answer_and_one_object(admin: AdminClient, database: Database) -> None:
    first = post(admin, "sources", {"name": "A source", "prefix": "DP"})
    assert (first.status_code, first.headers["ETag"], first.headers["Location"]) == (201, '"1"', "/v1/sources/1")
    for key in (KEY, f'"{KEY}"'):
        assert_repeated(first, post(admin, "sources", {"prefix": "DP", "name": "A source"}, key))
    assert count(database, "sources") == 1


def test_the_same_key_with_another_request_is_422_and_does_nothing(admin: AdminClient, database: Database) -> None:
    post(admin, "sources", SOURCE)
    for path, body in (("sources", {"name": "Another"}), ("merchants", SOURCE)):
        answer = post(admin, path, body)
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency-key-reused")
    assert (count(database, "sources"), count(database, "merchants")) == (1, 0)


def test_without_a_key_each_request_is_carried_out(admin: AdminClient, database: Database) -> None:
    for _ in range(2):
        assert admin.request("POST", "/v1/sources", SOURCE).status_code == 201
    assert (count(database, "sources"), count(database, "idempotency_keys")) == (2, 0)


def test_a_request_that_failed_leaves_its_key_free(admin: AdminClient, database: Database) -> None:
    fields = {"name": "P", "domain": "taken.example.com"}
    taken = admin.profile("taken.example.com")
    assert post(admin, "profiles", fields).status_code == 409
    assert post(admin, "profiles", {"name": ""}).status_code == 400
    admin.request("DELETE", f"/v1/profiles/{taken['profile_id']}")
    assert post(admin, "profiles", fields).status_code == 201
    assert count(database, "profiles") == 1


def test_keys_of_two_callers_are_different_keys(
    admin: AdminClient, database: Database, database_url: str, redis_url: str
) -> None:
    post(admin, "sources", SOURCE)
    with admin_client(database_url, redis_url) as other:
        answer = post(other, "sources", {"name": "Another"})
    assert answer.status_code == 201
    assert count(database, "sources") == 2


@pytest.mark.parametrize("key", ["", '"', "a key", "kéy", "x" * 256, '"a"b"'])
def test_a_key_that_is_none_is_refused(admin: AdminClient, database: Database, key: str) -> None:
    answer = post(admin, "sources", SOURCE, key)
    assert (answer.status_code, answer.json["field"]) == (400, "Idempotency-Key")
    assert count(database, "sources") == 0


def test_of_many_requests_at_a_time_one_is_carried_out_and_all_get_its_answer(
    admin: AdminClient, database: Database
) -> None:
    for round_ in range(5):
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: post(admin, "sources", SOURCE, f"k{round_}"), range(4)))  # noqa: B023
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 3
    assert count(database, "sources") == 5


def test_who_waits_too_long_for_a_request_with_the_same_key_is_told_so(
    admin: AdminClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_WAIT", "50ms")
    caller = "token:" + str(database.execute("select max(token_id) as id from api_tokens").fetchone()["id"])  # type: ignore[index]
    with database.transaction(force_rollback=True):
        database.execute(
            "insert into idempotency_keys (caller, key_hash, request_hash) values (%s, %s, %s)",
            [caller, sha256(KEY.encode()).digest(), b"\0" * 32],
        )
        answer = post(admin, "sources", SOURCE)
        assert (answer.status_code, answer.json["code"]) == (409, "idempotency-key-in-use")
    assert post(admin, "sources", SOURCE).status_code == 201


def test_a_process_that_is_killed_before_the_commit_leaves_neither_effect_nor_key(
    admin: AdminClient, database: Database, database_url: str, redis_url: str
) -> None:
    root = Path(__file__).resolve().parents[3]
    paths = [str(root), str(root / "tests" / "support")]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, database_url, redis_url, admin.token, *paths],
        check=False,
        cwd=root,
        env={**os.environ},
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (count(database, "sources"), count(database, "idempotency_keys")) == (0, 0)
    answer = post(admin, "sources", SOURCE, "of-the-killed")
    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False)
    assert count(database, "sources") == 1


def test_a_connection_that_is_lost_in_the_middle_is_503_and_the_repetition_does_it_once(
    admin: AdminClient, database: Database
) -> None:
    database.execute(
        "create function die() returns trigger language plpgsql security definer as"
        " $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$"
    )
    database.execute("create trigger dies after insert on sources for each row execute function die()")
    assert post(admin, "sources", SOURCE).status_code == 503
    database.execute("drop trigger dies on sources")
    assert post(admin, "sources", SOURCE).status_code == 201
    assert count(database, "sources") == 1


def test_a_key_is_forgotten_after_a_day_and_old_keys_are_removed_by_new_ones(
    admin: AdminClient, database: Database
) -> None:
    for number in range(3):
        post(admin, "sources", SOURCE, f"old-{number}")
    database.execute("update idempotency_keys set created_at = now() - interval '24 hours 1 second'")
    again = post(admin, "sources", {"name": "Another"}, "old-0")
    assert (again.status_code, "Idempotency-Replayed" in again.headers) == (201, False)
    assert (count(database, "sources"), count(database, "idempotency_keys")) == (4, 1)


def test_a_secret_that_is_shown_once_is_in_the_repeated_answer_too(admin: AdminClient, database: Database) -> None:
    fields = {"name": "M", "postback_auth": "hmac"}
    first = post(admin, "merchants", fields)
    assert first.json["postback_token"].startswith("wpm_")
    assert_repeated(first, post(admin, "merchants", fields))
    rotated = post(admin, "merchants/1/tokens", key="other")
    assert_repeated(rotated, post(admin, "merchants/1/tokens", key="other"))
    assert count(database, "merchant_tokens") == 2


def test_what_is_kept_of_an_answer_cannot_be_read_in_the_database(admin: AdminClient, database: Database) -> None:
    made = post(admin, "merchants", {"name": "M", "postback_auth": "hmac"})
    row = database.execute("select to_jsonb(idempotency_keys)::text as kept from idempotency_keys").fetchone()
    assert row is not None
    for secret in (made.json["postback_token"], made.json["postback_secret"], "M", KEY):
        assert f'"{secret}"' not in row["kept"]
        assert len(secret) < 10 or secret not in row["kept"]


def test_money_is_moved_once(database_url: str, redis_url: str, admin: AdminClient, database: Database) -> None:
    entry = {"party": "source", "source_id": 1, "amount_minor": 700, "currency": "USD", "note": "bonus"}
    with opened_books(database_url, redis_url) as books:
        conversion_id = books.conversion(status="pending")
        assert_repeated(post(admin, "entries", entry, "e"), post(admin, "entries", entry, "e"))
        books.add("entries", **_DUE)
        assert admin.request("POST", "/v1/payouts/run", {}).json["items"][0]["payout_id"] == 1
        change = {"override_minor": 650, "note": "agreed"}
        for method, path, body in (
            ("PATCH", "payouts/1", change),
            ("POST", "payouts/1/approve", {}),
            ("POST", "payouts/1/pay", {"reference": "SEPA 7"}),
            ("PATCH", f"conversions/{conversion_id}", {"status": "approved", "note": "seen"}),
        ):
            first, second = (
                admin.request(method, f"/v1/{path}", body, Idempotency_Key=f"of {path}".replace(" ", "-"))
                for _ in range(2)
            )
            assert first.status_code == 200, first.text
            assert_repeated(first, second)
    assert admin.request("POST", "/v1/payouts/1/pay", {}).json["code"] == "payout-state"
    paid = database.execute("select sum(amount_minor) as sum from entries where kind = 'payout'").fetchone()
    assert paid is not None
    assert abs(paid["sum"]) == 650


def test_a_bulk_decision_is_made_once(database_url: str, redis_url: str, admin: AdminClient) -> None:
    with opened_books(database_url, redis_url) as books:
        books.conversion(status="pending")
        token = admin.request("POST", "/v1/conversions/approve", {"filter": {}}).json["token"]
        first, second = (post(admin, "conversions/approve", {"filter": {}, "token": token}) for _ in range(2))
    assert first.json["changed"] == 1
    assert_repeated(first, second)
