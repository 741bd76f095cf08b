"""API tokens: shown once, limited to scopes, expiring, replaced and revoked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin_api.runtime import Database
from documented import assert_as_documented
from people import Browser, People
from tracking.rights import Right

EMAIL = "ada@example.com"


def made(browser: Browser, *scopes: str, **fields: Any) -> dict[str, Any]:
    answer = browser.request("POST", "/v1/api-tokens", {"name": "A program", "scopes": list(scopes)} | fields)
    assert answer.status_code == 201, answer.text
    token: dict[str, Any] = answer.json
    return token


def me(people: People, token: dict[str, Any]) -> Any:
    """Return the answer to a request with a token."""
    return people.browser().request("GET", "/v1/me", Authorization=f"Bearer {token['token']}")


def test_a_token_is_shown_once_and_stored_hashed(people: People, database: Database) -> None:
    answer = people.admin.request("POST", "/v1/api-tokens", {"name": "T", "scopes": ["traffic:read"]})
    assert_as_documented(people.admin, "POST /v1/api-tokens", answer)
    token = answer.json
    assert token["token"].startswith("wp_")
    assert (token["prefix"], token["scopes"], token["state"]) == (token["token"][:10], ["traffic:read"], "active")
    shown = people.admin.request("GET", f"/v1/api-tokens/{token['token_id']}")
    assert_as_documented(people.admin, "GET /v1/api-tokens/{token_id}", shown)
    listed = people.admin.request("GET", "/v1/api-tokens")
    assert_as_documented(people.admin, "GET /v1/api-tokens", listed)
    row = database.execute("select api_tokens::text as stored from api_tokens where name = 'T'").fetchone()
    assert row is not None
    assert not any(token["token"] in text for text in (shown.text, listed.text, row["stored"]))


def test_a_token_does_what_its_scopes_say(people: People) -> None:
    browser = people.user(EMAIL, "manager")
    token = made(browser, "traffic:read", "configuration:read")
    answer = me(people, token)
    assert (answer.json["rights"], answer.json["role"]) == (["configuration:read", "traffic:read"], "manager")
    assert (answer.json["email"], answer.json["token_id"]) == (EMAIL, token["token_id"])


def test_a_token_never_does_more_than_its_user_may_now(people: People) -> None:
    browser = people.user(EMAIL, "manager")
    token = made(browser, "traffic:write", "traffic:read", "money:read")
    path = f"/v1/users/{browser.request('GET', '/v1/me').json['user_id']}"
    people.admin.request("PATCH", path, {"role": "analyst"})
    assert me(people, token).json["rights"] == ["traffic:read"]
    people.admin.request("PATCH", path, {"sees_money": True})
    assert me(people, token).json["rights"] == ["traffic:read", "money:read"]


def test_nobody_gives_a_token_rights_that_they_lack(people: People) -> None:
    browser = people.user(EMAIL, "analyst")
    for scope in ("money:read", "configuration:write", "people:write"):
        refused = browser.request("POST", "/v1/api-tokens", {"name": "T", "scopes": ["traffic:read", scope]})
        assert (refused.status_code, refused.json["code"]) == (403, "beyond-rights")
        assert scope in refused.json["detail"]
    assert people.admin.request("GET", "/v1/api-tokens").json["items"][1:] == []


def test_an_unknown_scope_or_none_is_refused(people: People) -> None:
    for scopes in (["everything"], [], "traffic:read", None):
        refused = people.admin.request("POST", "/v1/api-tokens", {"name": "T", "scopes": scopes})
        assert refused.status_code == 400


def test_a_partners_token_is_bound_to_the_partners_source(people: People) -> None:
    source_id = people.admin.created("sources", name="A source")["source_id"]
    browser = people.user(EMAIL, "partner", source_id=source_id)
    token = made(browser, "traffic:read")
    assert me(people, token).json["source_id"] == source_id


def test_a_token_expires(people: People, database: Database) -> None:
    browser = people.user(EMAIL, "analyst")
    past = browser.request(
        "POST", "/v1/api-tokens", {"name": "T", "scopes": ["traffic:read"], "expires_at": "2020-01-01T00:00:00Z"}
    )
    assert (past.status_code, past.json["field"]) == (400, "expires_at")
    token = made(browser, "traffic:read", expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert me(people, token).status_code == 200
    database.execute("update api_tokens set expires_at = now() where token_id = %s", [token["token_id"]])
    assert me(people, token).status_code == 401
    states = [each["state"] for each in browser.request("GET", "/v1/api-tokens?state=expired").json["items"]]
    assert states == ["expired"]


def test_using_a_token_is_noted_once_a_minute(people: People, database: Database) -> None:
    token = made(people.user(EMAIL, "analyst"), "traffic:read")
    used = "select last_used_at, xmin::text from api_tokens where last_used_at is not null and token_id > 1"
    assert database.execute(used).fetchall() == []
    me(people, token)
    noted = database.execute(used).fetchall()
    me(people, token)
    assert database.execute(used).fetchall() == noted != []
    database.execute("update api_tokens set last_used_at = now() - interval '61 seconds'")
    me(people, token)
    fresh = database.execute(f"{used} and last_used_at > now() - interval '1 minute'")  # type: ignore[arg-type]
    assert fresh.rowcount == 1


def test_a_revoked_token_stops_at_once_and_stays_in_the_list(people: People) -> None:
    browser = people.user(EMAIL, "analyst")
    token = made(browser, "traffic:read")
    path = f"/v1/api-tokens/{token['token_id']}"
    assert browser.request("PATCH", path, {"name": "Renamed"}).json["name"] == "Renamed"
    assert browser.request("DELETE", path, If_Match='"1"').status_code == 412
    assert browser.request("DELETE", path, If_Match='"2"').status_code == 204
    assert me(people, token).status_code == 401
    assert browser.request("GET", path).json["state"] == "revoked"
    assert browser.request("DELETE", path).status_code == 204


def test_a_token_does_not_revoke_itself(people: People) -> None:
    refused = people.admin.request("DELETE", "/v1/api-tokens/1")
    assert (refused.status_code, refused.json["code"]) == (409, "own-token")
    assert people.admin.request("GET", "/v1/me").status_code == 200


def test_of_a_rotation_two_tokens_work_until_the_old_one_expires(people: People, database: Database) -> None:
    browser = people.user(EMAIL, "manager")
    old = made(browser, "traffic:read", "traffic:write")
    answer = browser.request("POST", f"/v1/api-tokens/{old['token_id']}/rotate", {"keep_hours": 48})
    assert_as_documented(people.admin, "POST /v1/api-tokens/{token_id}/rotate", answer)
    new = answer.json
    assert (new["name"], new["scopes"], new["replaces_token_id"]) == (old["name"], old["scopes"], old["token_id"])
    assert [me(people, each).status_code for each in (old, new)] == [200, 200]
    shown = browser.request("GET", f"/v1/api-tokens/{old['token_id']}").json
    left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=47, minutes=59) < left <= timedelta(hours=48)

    for token_id in (old["token_id"], new["token_id"]):
        refused = browser.request("POST", f"/v1/api-tokens/{token_id}/rotate", {})
        assert (refused.status_code, refused.json["code"]) == (409, "two-active")
    database.execute("update api_tokens set expires_at = now() where token_id = %s", [old["token_id"]])
    assert [me(people, each).status_code for each in (old, new)] == [401, 200]
    ended = browser.request("POST", f"/v1/api-tokens/{old['token_id']}/rotate", {})
    assert (ended.status_code, ended.json["code"]) == (409, "token-ended")
    assert browser.request("POST", f"/v1/api-tokens/{new['token_id']}/rotate", {}).status_code == 201


def test_a_rotation_does_not_let_an_old_token_live_longer(people: People) -> None:
    browser = people.user(EMAIL, "analyst")
    expires_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    old = made(browser, "traffic:read", expires_at=expires_at)
    browser.request("POST", f"/v1/api-tokens/{old['token_id']}/rotate", {"keep_hours": 48})
    shown = browser.request("GET", f"/v1/api-tokens/{old['token_id']}").json
    assert datetime.fromisoformat(shown["expires_at"]) == datetime.fromisoformat(expires_at)


def test_of_two_rotations_at_the_same_time_one_makes_a_token(people: People) -> None:
    browser = people.user(EMAIL, "analyst")
    old = made(browser, "traffic:read")
    with ThreadPoolExecutor(3) as threads:
        asked = [
            threads.submit(browser.request, "POST", f"/v1/api-tokens/{old['token_id']}/rotate", {}) for _ in range(3)
        ]
        assert sorted(each.result().status_code for each in asked) == [201, 409, 409]


def test_the_same_idempotency_key_makes_one_token(people: People) -> None:
    browser = people.user(EMAIL, "analyst")
    body = {"name": "T", "scopes": ["traffic:read"]}
    answers = [browser.request("POST", "/v1/api-tokens", body, Idempotency_Key="one") for _ in range(2)]
    assert len({each.json["token"] for each in answers}) == 1
    assert len(browser.request("GET", "/v1/api-tokens").json["items"]) == 1


def test_the_token_of_another_user_does_not_exist(people: People) -> None:
    theirs = made(people.user("bob@example.com", "analyst"), "traffic:read")
    browser = people.user(EMAIL, "analyst")
    path = f"/v1/api-tokens/{theirs['token_id']}"
    for method, more, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "X"}),
        ("DELETE", "", None),
        ("POST", "/rotate", {}),
    ):
        assert browser.request(method, path + more, body).status_code == 404
    assert browser.request("GET", "/v1/api-tokens").json["items"] == []


def test_an_owner_revokes_the_token_of_another_and_never_gets_it(people: People) -> None:
    theirs = made(people.user("bob@example.com", "manager"), "traffic:read")
    owner = people.user(EMAIL)
    path = f"/v1/api-tokens/{theirs['token_id']}"
    assert owner.request("POST", f"{path}/rotate", {}).json["code"] == "forbidden"
    assert owner.request("DELETE", path).status_code == 204
    assert me(people, theirs).status_code == 401


def test_a_token_that_leaked_makes_no_more_and_ends_none(people: People) -> None:
    browser = people.user(EMAIL)
    leaked = made(browser, *[right for right in Right if right is not Right.PEOPLE_WRITE])
    headers = {"Authorization": f"ApiKey {leaked['token']}"}
    path = f"/v1/api-tokens/{leaked['token_id']}"
    session_id = browser.request("GET", "/v1/me").json["session_id"]
    for method, asked, body in (
        ("POST", "/v1/api-tokens", {"name": "T", "scopes": ["traffic:read"]}),
        ("POST", f"{path}/rotate", {}),
        ("PATCH", path, {"name": "X"}),
        ("DELETE", path, None),
        ("DELETE", f"/v1/sessions/{session_id}", None),
        ("POST", "/v1/sessions/end", {}),
    ):
        refused = people.browser().request(method, asked, body, **headers)
        assert (refused.status_code, refused.json["code"]) == (403, "session-required"), (method, asked)


def test_a_token_that_a_token_makes_ends_no_later(people: People, database: Database) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    database.execute("update api_tokens set expires_at = %s where token_id = 1", [ends])
    body = {"name": "T", "scopes": ["traffic:read"]}
    for expires_at in (None, (ends + timedelta(seconds=1)).isoformat()):
        refused = people.admin.request("POST", "/v1/api-tokens", body | {"expires_at": expires_at})
        assert (refused.status_code, refused.json["field"]) == (400, "expires_at")
    assert people.admin.request("POST", "/v1/api-tokens", body | {"expires_at": ends.isoformat()}).status_code == 201


@pytest.mark.parametrize("change", ["scopes = null", "scopes = '{traffic:read, of-a-later-release}'"])
def test_the_first_token_has_all_rights_and_one_of_a_later_release_those_that_are_known(
    people: People, database: Database, change: str
) -> None:
    database.execute(f"update api_tokens set {change}")  # type: ignore[arg-type]
    rights = people.admin.request("GET", "/v1/me").json["rights"]
    assert rights == (list(Right) if "null" in change else ["traffic:read"])
