"""Sessions: listed and ended, and what a browser may do with a cookie."""

from __future__ import annotations

import pytest

from admin_api.http import SESSION_COOKIE
from admin_api.people.sessions import SESSIONS_MAX
from admin_api.runtime import Database
from documented import assert_as_documented
from people import People, count

EMAIL = "ada@example.com"


def test_a_user_sees_the_own_sessions_and_ends_one(people: People) -> None:
    browser, other = people.user(EMAIL, "analyst"), people.browser("2001:db8::7")
    people.user("bob@example.com", "analyst")
    other.request("POST", "/v1/session", {"email": EMAIL, "password": "a long enough password"}, User_Agent="X\tY")
    listed = browser.request("GET", "/v1/sessions")
    assert_as_documented(people.admin, "GET /v1/sessions", listed)
    first, second = listed.json["items"]
    assert (first["current"], second["current"]) == (True, False)
    assert (first["address"], second["address"], second["user_agent"]) == ("192.0.2.1", "2001:db8::7", "XY")
    assert browser.request("DELETE", f"/v1/sessions/{second['session_id']}").status_code == 204
    assert other.request("GET", "/v1/me").status_code == 401
    assert browser.request("GET", "/v1/me").status_code == 200


def test_the_session_of_another_user_does_not_exist(people: People) -> None:
    bob = people.user("bob@example.com", "analyst")
    theirs = bob.request("GET", "/v1/me").json
    ada = people.user(EMAIL, "analyst")
    assert ada.request("DELETE", f"/v1/sessions/{theirs['session_id']}").status_code == 404
    assert ada.request("POST", "/v1/sessions/end", {"user_id": theirs["user_id"]}).status_code == 404
    assert [
        each["user_id"] for each in ada.request("GET", f"/v1/sessions?user_id={theirs['user_id']}").json["items"]
    ] == []
    assert bob.request("GET", "/v1/me").status_code == 200


def test_an_owner_sees_and_ends_the_sessions_of_others(people: People) -> None:
    ada = people.user(EMAIL, "analyst")
    user_id = ada.request("GET", "/v1/me").json["user_id"]
    listed = people.admin.request("GET", f"/v1/sessions?user_id={user_id}").json["items"]
    assert [each["user_id"] for each in listed] == [user_id]
    ended = people.admin.request("POST", "/v1/sessions/end", {"user_id": user_id})
    assert_as_documented(people.admin, "POST /v1/sessions/end", ended)
    assert ended.json["ended"] == 1
    assert ada.request("GET", "/v1/me").status_code == 401


@pytest.mark.parametrize(("keep", "status"), [(True, 200), (False, 401)])
def test_a_user_ends_all_sessions_or_all_others(people: People, keep: bool, status: int) -> None:
    browser, other = people.user(EMAIL, "analyst"), people.browser()
    other.log_in(EMAIL)
    assert browser.request("POST", "/v1/sessions/end", {"keep_current": keep}).json["ended"] == 2 - keep
    assert other.request("GET", "/v1/me").status_code == 401
    assert browser.request("GET", "/v1/me").status_code == status


def test_a_token_without_a_user_has_no_sessions_of_its_own(people: People) -> None:
    refused = people.admin.request("POST", "/v1/sessions/end", {})
    assert (refused.status_code, refused.json["code"]) == (404, "not-found")


def test_old_sessions_are_forgotten_and_a_user_has_no_end_of_them(
    people: People, database: Database, database_url: str
) -> None:
    browser = people.user(EMAIL)
    database.execute(
        "insert into user_sessions (user_id, token_hash, idle, expires_at)"
        " select user_id, encode(sha256(n::text::bytea), 'hex'), '1 hour', now() + '1 hour'::interval * sign(n - 3)"
        " from users, generate_series(1, 80) n"
    )
    assert browser.log_in(EMAIL).status_code == 200
    assert count(database_url, "select count(*) as n from user_sessions where expires_at < now()") == 0
    assert count(database_url, "select count(*) as n from user_sessions") == SESSIONS_MAX


@pytest.mark.parametrize(
    "cookie",
    [
        "{value}; {name}=x",
        "{name}=x; {value}",
        "{value}x",
        "{value}.",
        "{name}=",
        "{name}",
        '{name}="\\047"',
        "{name}=' or true--",
        "{name}=%00",
        "{name}=\xff",
        "{name}=" + "x" * 8000,
        "{name}={other}",
        "Host-waypost=x",
    ],
)
def test_a_hostile_cookie_is_nobodys(people: People, cookie: str) -> None:
    browser = people.user(EMAIL)
    sent = cookie.replace("{value}", browser.cookie).replace("{name}", SESSION_COOKIE).replace("{other}", "A" * 43)
    answer = people.browser().request("GET", "/v1/me", Cookie=sent)
    assert (answer.status_code, answer.json["code"]) == (401, "bad-token")


def test_a_change_from_another_site_is_refused_and_changes_nothing(people: People) -> None:
    browser = people.user(EMAIL)
    body = {"name": "A", "domain": "a.example.com"}
    for headers in (
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "", "Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "", "Origin": "null"},
        {"Sec_Fetch_Site": ""},
    ):
        refused = browser.request("POST", "/v1/profiles", body, **headers)
        assert (refused.status_code, refused.json["code"]) == (403, "cross-site"), headers
    assert browser.request("GET", "/v1/profiles", Sec_Fetch_Site="cross-site").json["items"] == []
    assert (
        browser.request(
            "POST", "/v1/profiles", body, Sec_Fetch_Site="", Origin="http://falconframework.org"
        ).status_code
        == 201
    )


def test_another_site_cannot_log_its_visitor_in(people: People) -> None:
    people.user(EMAIL)
    body = {"email": EMAIL, "password": "a long enough password"}
    refused = people.browser().request("POST", "/v1/session", body, Sec_Fetch_Site="cross-site")
    assert (refused.status_code, refused.json["code"]) == (403, "cross-site")
    assert "set-cookie" not in refused.headers
    assert people.browser().request("POST", "/v1/session", body, Sec_Fetch_Site="").status_code == 200


def test_a_token_counts_before_a_cookie_and_is_not_rescued_by_one(people: People) -> None:
    browser = people.user(EMAIL, "analyst")
    token = f"ApiKey {people.admin.token}"
    mine = browser.request("GET", "/v1/me", Authorization=token)
    assert (mine.json["user_id"], mine.json["session_id"]) == (None, None)
    body = {"name": "B", "domain": "b.example.com"}
    cross = browser.request("POST", "/v1/profiles", body, Authorization=token, Sec_Fetch_Site="cross-site")
    assert cross.status_code == 201
    assert browser.request("GET", "/v1/me", Authorization="ApiKey nonsense").status_code == 401


def test_an_open_path_does_not_open_the_others_beside_it(people: People) -> None:
    assert people.browser().request("DELETE", "/v1/session").status_code == 401
    assert people.browser().request("GET", "/v1/session").status_code == 401
    assert people.browser().request("POST", "/v1/session/", {"email": EMAIL}).status_code in (400, 401)


@pytest.mark.parametrize(("address", "shown"), [("fe80::1%eth0", "fe80::1"), ("unix:", None)])
def test_an_address_that_postgresql_does_not_take_keeps_nobody_out(
    people: People, address: str, shown: str | None
) -> None:
    people.user(EMAIL)
    browser = people.browser(address)
    assert browser.log_in(EMAIL).status_code == 200
    listed = browser.request("GET", "/v1/sessions").json["items"]
    assert [each["address"] for each in listed if each["current"]] == [shown]
