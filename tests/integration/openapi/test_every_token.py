"""Every operation refuses a caller without a token that works. The operations are those of the OpenAPI document."""

from __future__ import annotations

import base64
import secrets

import pytest

from config.configuration import hash_token
from one_of_each import OneOfEach, any_path


def token_of(each: OneOfEach, **columns: object) -> str:
    """Store a token with some columns, and return it."""
    token = f"wp_{secrets.token_hex(16)}"
    each.books.add("api_tokens", token_hash=hash_token(token), name="T", **columns)
    return token


@pytest.fixture(scope="module")
def refused(each: OneOfEach) -> dict[str, str | None]:
    """Return headers that let nobody in, by what is wrong with them. None is no header."""
    expired, revoked = token_of(each, expires_at="2026-01-01"), token_of(each, revoked_at="2026-01-01")
    working = token_of(each)
    return {
        "no header": None,
        "no token": "ApiKey",
        "unknown token": f"ApiKey wp_{'0' * 32}",
        "expired": f"ApiKey {expired}",
        "expired, as bearer": f"Bearer {expired}",
        "revoked": f"ApiKey {revoked}",
        "another scheme": f"Basic {base64.b64encode(f'x:{working}'.encode()).decode()}",
        "no scheme": working,
        "its hash": f"ApiKey {hash_token(working)}",
        "longer than any token": f"ApiKey {working}{'x' * 300}",
        "in capitals": f"ApiKey {working.upper()}",
    }


def test_every_operation_is_401_without_a_token_that_works(each: OneOfEach, refused: dict[str, str | None]) -> None:
    closed = [(method, path) for method, path, declared in each.operations() if declared.get("security") != []]
    assert len(closed) > 100
    for state, header in refused.items():
        headers = {"If-Match": "*"} | ({} if header is None else {"Authorization": header})
        for method, path in closed:
            answer = each.admin.web.simulate_request(method, any_path(path), headers=headers)
            assert (answer.status_code, answer.json["code"]) == (401, "bad-token"), (state, method, path, answer.text)
            assert "ApiKey" in answer.headers["WWW-Authenticate"]


def test_a_stranger_cannot_tell_which_routes_exist(each: OneOfEach) -> None:
    for path in ("/v1/nothing", "/v1/links/1/nothing", "/nothing"):
        assert each.admin.web.simulate_get(path).status_code == 401


def test_an_operation_that_is_documented_as_open_is_answered_without_a_token(each: OneOfEach) -> None:
    opened = [(method, path) for method, path, declared in each.operations() if declared.get("security") == []]
    assert ("GET", "/v1/openapi.json") in opened
    for method, path in opened:
        answer = each.admin.web.simulate_request(method, any_path(path))
        assert answer.headers.get("WWW-Authenticate") is None, (method, path, answer.text)


def test_nothing_was_changed_by_those_who_were_refused(each: OneOfEach) -> None:
    """After the tests above: the objects are still there, and still at their first revision."""
    for path in ("/v1/profiles", "/v1/rotations", "/v1/commission-plans", "/v1/payouts", "/v1/issues"):
        item = each.admin.request("GET", path).json["items"][0]
        key = next(iter(item))
        assert each.admin.request("GET", f"{path}/{item[key]}").headers["ETag"] == '"1"'
