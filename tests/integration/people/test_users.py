"""Users: listed, changed, disabled and deleted, and never by somebody who holds less."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from falcon.testing import Result

from admin_api.runtime import Database
from documented import assert_as_documented
from people import PASSWORD, Browser, People
from tracking.rights import Role, rights_of

EMAIL = "ada@example.com"


def number_of(browser: Browser) -> int:
    return int(browser.request("GET", "/v1/me").json["user_id"])


def test_users_are_listed_found_and_sorted(people: People) -> None:
    people.user("carol@example.com")
    people.invited("bob@example.com", "manager")
    people.invited(EMAIL, "analyst")

    def listed(query: str) -> list[str]:
        answer = people.admin.request("GET", f"/v1/users?{query}")
        assert_as_documented(people.admin, "GET /v1/users", answer)
        return [each["name"] for each in answer.json["items"]]

    assert listed("sort=name") == ["ada", "bob", "carol"]
    assert listed("sort=-email") == ["carol", "bob", "ada"]
    assert listed("q=BOB") == ["bob"]
    assert listed("role=analyst") == ["ada"]
    assert listed("state=invited") == ["bob", "ada"]
    assert listed("state=active&q=carol@") == ["carol"]
    first = people.admin.request("GET", "/v1/users?sort=name&limit=2").json
    assert listed(f"sort=name&cursor={first['next_cursor']}") == ["carol"]


def test_one_address_is_one_users(people: People) -> None:
    people.invited(EMAIL)
    refused = people.admin.request("POST", "/v1/users", {"email": "ADA@EXAMPLE.COM", "name": "A", "role": "owner"})
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (409, "email-taken", "email")


@pytest.mark.parametrize(
    "email", ["ada", "@example.com", "ada@", "a b@example.com", "ada@exa mple.com", "a@" + "b" * 260]
)
def test_what_is_no_address_is_refused(people: People, email: str) -> None:
    refused = people.admin.request("POST", "/v1/users", {"email": email, "name": "A", "role": "owner"})
    assert (refused.status_code, refused.json["field"]) == (400, "email")


def test_a_partner_has_a_source_and_nobody_else_has_one(people: People) -> None:
    source_id = people.admin.created("sources", name="A source")["source_id"]
    for fields in ({"role": "partner"}, {"role": "manager", "source_id": source_id}):
        refused = people.admin.request("POST", "/v1/users", {"email": EMAIL, "name": "A", **fields})
        assert (refused.status_code, refused.json["field"]) == (400, "source_id")
    unknown = {"email": EMAIL, "name": "A", "role": "partner", "source_id": 999_999}
    assert people.admin.request("POST", "/v1/users", unknown).json["field"] == "source_id"
    user = people.invited(EMAIL, "partner", source_id=source_id)
    path = f"/v1/users/{user['user_id']}"
    assert people.admin.request("PATCH", path, {"source_id": None}).json["field"] == "source_id"
    assert people.admin.request("PATCH", path, {"source_id": 999_999}).json["field"] == "source_id"
    assert people.admin.request("PATCH", path, {"role": "analyst"}).json["source_id"] is None


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"role": "manager"}, True),
        ({"sees_money": True}, True),
        ({"disabled": True}, True),
        ({"name": "Another name"}, False),
        ({"role": "analyst"}, False),
    ],
)
def test_a_change_of_what_a_user_may_do_ends_the_sessions(people: People, changes: dict[str, Any], ends: bool) -> None:
    browser = people.user(EMAIL, "analyst")
    changed = people.admin.request("PATCH", f"/v1/users/{number_of(browser)}", changes)
    assert_as_documented(people.admin, "PATCH /v1/users/{user_id}", changed)
    assert browser.request("GET", "/v1/me").status_code == (401 if ends else 200)


def test_a_user_who_is_disabled_is_kept_out_until_enabled_again(people: People, database: Database) -> None:
    browser = people.user(EMAIL, "manager")
    made = browser.request("POST", "/v1/api-tokens", {"name": "T", "scopes": ["traffic:read"]})
    token = {"Authorization": f"ApiKey {made.json['token']}"}
    path = f"/v1/users/{number_of(browser)}"
    people.admin.request("PATCH", path, {"disabled": True})
    # A session that was begun in the same moment, after those there were had been ended.
    database.execute(
        "insert into user_sessions (user_id, token_hash, idle, expires_at)"
        " select user_id, encode(sha256('x'), 'hex'), '1 hour', now() + interval '1 hour' from users"
    )
    assert people.browser().request("GET", "/v1/me", Cookie="__Host-waypost=x").status_code == 401
    assert people.admin.request("GET", "/v1/me", **token).status_code == 401
    assert people.browser().log_in(EMAIL).json["code"] == "bad-login"
    assert people.admin.request("GET", path).json["state"] == "disabled"
    people.admin.request("PATCH", path, {"disabled": False})
    assert people.admin.request("GET", "/v1/me", **token).status_code == 200
    assert people.browser().log_in(EMAIL).status_code == 200


def test_deleting_a_user_takes_sessions_and_tokens_along(people: People) -> None:
    browser = people.user(EMAIL, "manager")
    made = browser.request("POST", "/v1/api-tokens", {"name": "T", "scopes": ["traffic:read"]})
    path = f"/v1/users/{number_of(browser)}"
    assert people.admin.request("DELETE", path).status_code == 204
    assert browser.request("GET", "/v1/me").status_code == 401
    assert people.admin.request("GET", "/v1/me", Authorization=f"ApiKey {made.json['token']}").status_code == 401
    assert people.admin.request("GET", path).status_code == 404


def test_a_source_with_a_partner_cannot_be_deleted(people: People) -> None:
    source_id = people.admin.created("sources", name="A source")["source_id"]
    people.invited(EMAIL, "partner", source_id=source_id)
    assert people.admin.request("DELETE", f"/v1/sources/{source_id}").json["code"] == "in-use"


@pytest.mark.parametrize("way", [("PATCH", {"role": "manager"}), ("PATCH", {"disabled": True}), ("DELETE", None)])
def test_the_last_owner_stays(people: People, way: tuple[str, Any]) -> None:
    browser = people.user(EMAIL)
    people.invited("invited@example.com")
    disabled = people.invited("disabled@example.com")
    people.accepted(disabled)
    people.admin.request("PATCH", f"/v1/users/{disabled['user_id']}", {"disabled": True})
    path = f"/v1/users/{number_of(browser)}"
    refused = browser.request(way[0], path, way[1])
    assert (refused.status_code, refused.json["code"]) == (409, "last-owner")
    assert browser.request("PATCH", path, {"name": "Ada"}).status_code == 200
    people.accepted(people.invited("second@example.com"))
    assert browser.request(way[0], path, way[1]).status_code in (200, 204)


def test_of_two_owners_who_remove_each_other_one_stays(people: People) -> None:
    for _ in range(5):
        pair = [people.user("ada@example.com"), people.user("bob@example.com")]
        numbers = [number_of(each) for each in pair]
        with ThreadPoolExecutor(2) as threads:
            asked = [
                threads.submit(browser.request, "DELETE", f"/v1/users/{other}")
                for browser, other in zip(pair, reversed(numbers), strict=True)
            ]
            statuses = sorted(each.result().status_code for each in asked)
        assert statuses[0] == 204
        # The other waits and finds itself the last owner, or was gone before it asked.
        assert statuses[1] in (401, 403, 409)
        with people.admin.collaborators.pool.connection() as database:
            assert database.execute("select from users where role = 'owner'").rowcount == 1
            database.execute("delete from users")


def limited(people: People, *scopes: str) -> dict[str, str]:
    """Return the header of an API token of an owner, which may do only this."""
    made = people.admin.created("api-tokens", name="limited", scopes=list(scopes))
    return {"Authorization": f"ApiKey {made['token']}"}


def beyond(result: Result) -> bool:
    return (result.status_code, result.json["code"]) == (403, "beyond-rights")


def test_nobody_gives_a_role_with_more_rights_than_they_hold(people: People) -> None:
    token = limited(people, "people:read", "people:write", *rights_of(Role.ANALYST))
    body = {"email": EMAIL, "name": "Ada"}
    for more in ({"role": "owner"}, {"role": "manager"}, {"role": "analyst", "sees_money": True}):
        refused = people.admin.request("POST", "/v1/users", body | more, **token)
        assert beyond(refused), more
    assert people.admin.request("POST", "/v1/users", body | {"role": "analyst"}, **token).status_code == 201


def test_nobody_changes_who_holds_more(people: People) -> None:
    token = limited(people, "people:read", "people:write", *rights_of(Role.ANALYST))
    manager = people.user("manager@example.com", "manager")
    path = f"/v1/users/{number_of(manager)}"
    session_id = manager.request("GET", "/v1/me").json["session_id"]
    asked = [
        people.admin.request("PATCH", path, {"name": "Bob"}, **token),
        people.admin.request("PATCH", path, {"role": "analyst"}, **token),
        people.admin.request("DELETE", path, **token),
        people.admin.request("POST", f"{path}/one-time-link", **token),
        people.admin.request("POST", f"{path}/remove-totp", **token),
        people.admin.request("DELETE", f"/v1/sessions/{session_id}", **token),
        people.admin.request("POST", "/v1/sessions/end", {"user_id": number_of(manager)}, **token),
    ]
    assert all(map(beyond, asked)), [each.text for each in asked]
    assert manager.request("GET", "/v1/me").status_code == 200


def test_a_user_cannot_become_more_by_changing_the_own_account(people: People) -> None:
    people.user("owner@example.com")
    for role in ("manager", "analyst"):
        browser = people.user(f"{role}@example.com", role)
        for changes in ({"role": "owner"}, {"sees_money": True}, {"name": "X"}):
            refused = browser.request("PATCH", f"/v1/users/{number_of(browser)}", changes)
            assert refused.status_code == 403
        assert browser.log_in(f"{role}@example.com", PASSWORD).json["role"] == role


def test_an_edit_of_a_user_is_based_on_a_revision(people: People) -> None:
    user = people.invited(EMAIL)
    path = f"/v1/users/{user['user_id']}"
    tag = people.admin.request("GET", path).headers["ETag"]
    changed = people.admin.request("PATCH", path, {"name": "A"}, If_Match=tag)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert people.admin.request("PATCH", path, {"name": "B"}, If_Match=tag).status_code == 412
    assert people.admin.request("DELETE", path, If_Match=tag).status_code == 412
    assert people.admin.request("DELETE", path, If_Match="").status_code == 428
