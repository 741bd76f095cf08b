"""What a partner does with the own account, in the partner's own role of PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from admin_api.runtime import PARTNER_ROLE, Actor, act_for, act_for_nobody
from people import PASSWORD, Browser, People
from tracking.rights import Role, rights_of

EMAIL = "partner@example.com"


@pytest.fixture
def partner(people: People) -> Browser:
    """Return the browser of a partner, beside whom there are others."""
    source_id = people.admin.created("sources", name="A source")["source_id"]
    people.user("owner@example.com")
    return people.user(EMAIL, "partner", source_id=source_id)


def test_a_partner_has_a_second_factor_sessions_and_tokens_of_its_own(people: People, partner: Browser) -> None:
    totp, codes = people.with_second_factor(partner)
    people.clock.move(30)
    other = people.browser()
    assert other.log_in(EMAIL, totp=totp.at(people.clock.now)).status_code == 200
    body = {"password": PASSWORD, "recovery_code": codes[0]}
    assert partner.request("POST", "/v1/me/recovery-codes", body).status_code == 200
    made = partner.request("POST", "/v1/api-tokens", {"name": "T", "scopes": ["traffic:read"]})
    assert made.status_code == 201
    rotated = partner.request("POST", f"/v1/api-tokens/{made.json['token_id']}/rotate", {"keep_hours": 1})
    assert rotated.status_code == 201
    assert partner.request("DELETE", f"/v1/api-tokens/{rotated.json['token_id']}").status_code == 204
    assert len(partner.request("GET", "/v1/sessions").json["items"]) == 2
    assert partner.request("POST", "/v1/sessions/end", {}).json["ended"] == 1
    people.clock.move(30)
    new = {"password": PASSWORD, "totp": totp.at(people.clock.now), "new_password": "quite another password"}
    assert partner.request("POST", "/v1/me/password", new).status_code == 204
    me = partner.request("GET", "/v1/me").json
    assert (me["email"], me["second_factor"], me["role"]) == (EMAIL, True, "partner")
    assert partner.request("DELETE", "/v1/session").status_code == 204


def test_a_partner_sees_nobody_else(people: People, partner: Browser) -> None:
    assert partner.request("GET", "/v1/users").status_code == 403
    me = partner.request("GET", "/v1/me").json
    assert [each["user_id"] for each in partner.request("GET", "/v1/sessions").json["items"]] == [me["user_id"]]
    assert partner.request("GET", "/v1/api-tokens").json["items"] == []


def test_the_database_itself_keeps_a_partner_from_other_accounts_and_from_becoming_more(
    people: People, partner: Browser
) -> None:
    me = partner.request("GET", "/v1/me").json
    actor = Actor("P", None, me["user_id"], Role.PARTNER, rights_of(Role.PARTNER), me["source_id"])
    pool = people.admin.collaborators.pool
    act_for(actor)
    try:
        with pool.connection() as database:
            assert database.execute("select current_user").fetchone() == {"current_user": PARTNER_ROLE}
            for table in ("users", "user_sessions", "api_tokens", "recovery_codes", "known_addresses"):
                seen = database.execute(f"select distinct user_id from {table}").fetchall()  # type: ignore[arg-type]
                assert seen in ([], [{"user_id": me["user_id"]}]), table
            for change in (
                "update users set role = 'owner', source_id = null",
                "update users set source_id = source_id",
                "update users set disabled_at = null",
                "delete from users",
                "select from login_failures",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    database.execute(change)  # type: ignore[arg-type]
            theirs = "insert into api_tokens (token_hash, name, user_id) values (repeat('0', 64), 'T', %s)"
            for user_id in (me["user_id"] - 1, None):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    database.execute(theirs, [user_id])
    finally:
        act_for_nobody()
