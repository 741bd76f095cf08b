"""Logging in, and what a session may do and for how long."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from admin_api.http import SESSION_COOKIE
from admin_api.runtime import Database
from documented import assert_as_documented
from people import PASSWORD, People


def test_somebody_who_was_invited_sets_a_password_and_logs_in(people: People) -> None:
    people.accepted(people.invited("Ada@Example.com", name="Ada"))
    browser = people.browser()
    result = browser.log_in("ADA@example.com")
    assert_as_documented(people.admin, "POST /v1/session", result)
    assert (result.json["name"], result.json["email"], result.json["role"]) == ("Ada", "ada@example.com", "owner")
    cookie = result.headers["set-cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert cookie.partition("; ")[2] == "Path=/; Secure; HttpOnly; SameSite=Lax"
    me = browser.request("GET", "/v1/me")
    assert_as_documented(people.admin, "GET /v1/me", me)
    assert me.json == result.json


def test_an_api_token_says_who_it_is_too(people: People) -> None:
    me = people.admin.request("GET", "/v1/me")
    assert_as_documented(people.admin, "GET /v1/me", me)
    assert (me.json["role"], me.json["user_id"], me.json["session_id"]) == ("owner", None, None)
    assert "people:write" in me.json["rights"]


def test_logging_out_ends_the_session_and_takes_the_cookie(people: People) -> None:
    browser = people.user("ada@example.com")
    cookie = browser.cookie
    result = browser.request("DELETE", "/v1/session")
    assert (result.status_code, browser.cookie) == (204, f"{SESSION_COOKIE}=")
    assert "Max-Age=0" in result.headers["set-cookie"]
    assert browser.request("GET", "/v1/me", Cookie=cookie).status_code == 401


def test_a_wrong_password_and_an_unknown_account_are_told_apart_by_nothing(people: People) -> None:
    people.user("ada@example.com")
    people.invited("invited@example.com")
    answers = [
        people.browser().log_in("ada@example.com", "the wrong password"),
        people.browser().log_in("nobody@example.com"),
        people.browser().log_in("invited@example.com"),
    ]
    assert {(each.status_code, each.text, each.headers.get("set-cookie")) for each in answers} == {
        (401, answers[0].text, None)
    }


def test_a_session_ends_after_its_idle_time_and_after_its_longest(people: People, database: Database) -> None:
    for change in ("last_seen_at = now() - interval '12 hours 1 second'", "expires_at = now()"):
        browser = people.user(f"user{len(change)}@example.com")
        assert browser.request("GET", "/v1/me").status_code == 200
        database.execute(f"update user_sessions set {change}")  # type: ignore[arg-type]
        assert browser.request("GET", "/v1/me").status_code == 401


def test_using_a_session_is_noted_once_a_minute(people: People, database: Database) -> None:
    browser = people.user("ada@example.com")
    seen = "select last_seen_at, xmin::text as written_by from user_sessions"
    begun = database.execute(seen).fetchone()
    browser.request("GET", "/v1/me")
    assert database.execute(seen).fetchone() == begun
    database.execute("update user_sessions set last_seen_at = now() - interval '2 minutes'")
    browser.request("GET", "/v1/me")
    noted = database.execute("select last_seen_at > now() - interval '1 minute' as noted from user_sessions").fetchone()
    assert noted == {"noted": True}


def test_a_password_is_hashed_anew_when_the_parameters_have_changed(
    people: People, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.accepted(people.invited("ada@example.com"))
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    monkeypatch.setattr(people.admin.collaborators.passwords, "_hasher", stronger)
    assert people.browser().log_in("ada@example.com").status_code == 200
    hashed = database.execute("select password_hash from users").fetchone()
    assert hashed is not None
    assert hashed["password_hash"].startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert people.browser().log_in("ada@example.com").status_code == 200


def test_another_password_ends_every_session_but_the_one_that_set_it(people: People) -> None:
    browser, other = people.user("ada@example.com"), people.browser()
    other.log_in("ada@example.com")
    old_cookie = browser.cookie
    body = {"password": PASSWORD, "new_password": "quite another password"}
    assert browser.request("POST", "/v1/me/password", body).status_code == 204
    assert browser.cookie != old_cookie
    assert browser.request("GET", "/v1/me").status_code == 200
    assert browser.request("GET", "/v1/me", Cookie=old_cookie).status_code == 401
    assert other.request("GET", "/v1/me").status_code == 401
    assert people.browser().log_in("ada@example.com").status_code == 401
    assert people.browser().log_in("ada@example.com", "quite another password").status_code == 200


def test_another_password_takes_the_old_one(people: People) -> None:
    browser = people.user("ada@example.com")
    body = {"password": "a wrong one, of course", "new_password": "quite another password"}
    assert browser.request("POST", "/v1/me/password", body).json["code"] == "bad-login"
    assert browser.request("POST", "/v1/me/password", {**body, "password": PASSWORD, "new_password": "short"}).json[
        "field"
    ] == ("new_password")
    same = browser.request("POST", "/v1/me/password", {"password": PASSWORD, "new_password": "ada@example.com"})
    assert (same.status_code, same.json["code"]) == (400, "invalid-field")


def test_an_api_token_cannot_change_the_account_of_its_user(people: People) -> None:
    result = people.admin.request("POST", "/v1/me/password", {"password": PASSWORD, "new_password": PASSWORD})
    assert (result.status_code, result.json["code"]) == (403, "session-required")
