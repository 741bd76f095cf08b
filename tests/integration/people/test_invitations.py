"""Invitations and resets: one-time links, which work once and for seven days."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from admin_api import invite as command
from admin_api.runtime import Database
from documented import assert_as_documented
from people import PASSWORD, People, token_of

EMAIL = "ada@example.com"
LINKS = "/v1/one-time-links"


def test_an_invitation_says_whom_it_is_for_and_lets_the_name_be_set(people: People) -> None:
    made = people.admin.request("POST", "/v1/users", {"email": EMAIL, "name": "Ada L.", "role": "manager"})
    assert_as_documented(people.admin, "POST /v1/users", made)
    assert (made.json["state"], made.json["invitation"]["purpose"]) == ("invited", "invitation")
    assert made.json["invitation"]["path"].startswith("/invitation/")
    token = token_of(made.json["invitation"])
    about = people.browser().request("POST", f"{LINKS}/check", {"token": token})
    assert_as_documented(people.admin, f"POST {LINKS}/check", about)
    assert (about.json["email"], about.json["name"], about.json["purpose"]) == (EMAIL, "Ada L.", "invitation")
    used = people.browser().request("POST", f"{LINKS}/use", {"token": token, "password": PASSWORD, "name": "Ada"})
    assert (used.status_code, used.headers.get("set-cookie")) == (204, None)
    shown = people.admin.request("GET", f"/v1/users/{made.json['user_id']}")
    assert (shown.json["state"], shown.json["name"], shown.json["link_expires_at"]) == ("active", "Ada", None)


def test_a_link_is_stored_hashed(people: People, database: Database) -> None:
    token = token_of(people.invited(EMAIL)["invitation"])
    row = database.execute("select one_time_links::text as stored from one_time_links").fetchone()
    assert row is not None
    assert token not in row["stored"]


def test_a_link_works_once(people: People) -> None:
    user = people.invited(EMAIL)
    people.accepted(user)
    again = {"token": token_of(user["invitation"]), "password": "another long password"}
    for path, body in ((f"{LINKS}/use", again), (f"{LINKS}/check", {"token": again["token"]})):
        refused = people.browser().request("POST", path, body)
        assert (refused.status_code, refused.json["code"]) == (404, "not-found")
    assert people.browser().log_in(EMAIL).status_code == 200


def test_of_those_who_use_a_link_at_the_same_time_one_sets_the_password(people: People) -> None:
    token = token_of(people.invited(EMAIL)["invitation"])
    with ThreadPoolExecutor(4) as threads:
        asked = [
            threads.submit(
                people.browser().request, "POST", f"{LINKS}/use", {"token": token, "password": f"{PASSWORD} {number}"}
            )
            for number in range(4)
        ]
        statuses = [each.result().status_code for each in asked]
    assert sorted(statuses) == [204, 404, 404, 404]
    winner = statuses.index(204)
    assert [people.browser().log_in(EMAIL, f"{PASSWORD} {n}").status_code for n in range(4)] == [
        200 if number == winner else 401 for number in range(4)
    ]


@pytest.mark.parametrize(
    "change",
    ["update one_time_links set expires_at = now()", "update users set disabled_at = now()", "delete from users"],
)
def test_a_link_that_is_too_old_or_of_nobody_any_more_does_not_work(
    people: People, database: Database, change: str
) -> None:
    token = token_of(people.invited(EMAIL)["invitation"])
    days = database.execute("select expires_at - created_at as days from one_time_links").fetchone()
    assert days is not None
    assert days["days"].days == 7
    database.execute(change)  # type: ignore[arg-type]
    used = people.browser().request("POST", f"{LINKS}/use", {"token": token, "password": PASSWORD})
    assert used.status_code == 404


@pytest.mark.parametrize("password", ["elevenchars", "x" * 201, EMAIL, "a" * 20])
def test_a_bad_password_does_not_use_the_link_up(people: People, password: str) -> None:
    user = people.invited(EMAIL)
    body = {"token": token_of(user["invitation"]), "password": password}
    refused = people.browser().request("POST", f"{LINKS}/use", body)
    assert (refused.status_code, refused.json["field"]) == (400, "password")
    people.accepted(user)


def test_a_reset_ends_all_sessions_and_leaves_the_second_factor(people: People) -> None:
    browser = people.user(EMAIL)
    people.with_second_factor(browser)
    user_id = browser.request("GET", "/v1/me").json["user_id"]
    made = people.admin.request("POST", f"/v1/users/{user_id}/one-time-link")
    assert_as_documented(people.admin, "POST /v1/users/{user_id}/one-time-link", made)
    assert (made.json["purpose"], made.json["path"].startswith("/reset/")) == ("reset", True)
    assert browser.request("GET", "/v1/me").status_code == 200
    people.accepted({"invitation": made.json}, "quite another password")
    assert browser.request("GET", "/v1/me").status_code == 401
    assert people.browser().log_in(EMAIL).json["code"] == "bad-login"
    assert people.browser().log_in(EMAIL, "quite another password").json["code"] == "code-required"


def test_a_new_link_replaces_the_one_before(people: People) -> None:
    user = people.invited(EMAIL)
    made = people.admin.request("POST", f"/v1/users/{user['user_id']}/one-time-link").json
    assert made["purpose"] == "invitation"
    body = {"token": token_of(user["invitation"]), "password": PASSWORD}
    assert people.browser().request("POST", f"{LINKS}/use", body).status_code == 404
    people.accepted({"invitation": made})


def test_no_link_is_made_for_who_is_disabled(people: People) -> None:
    user = people.invited(EMAIL)
    people.admin.request("PATCH", f"/v1/users/{user['user_id']}", {"disabled": True})
    refused = people.admin.request("POST", f"/v1/users/{user['user_id']}/one-time-link")
    assert (refused.status_code, refused.json["code"]) == (409, "user-disabled")


def test_the_command_invites_the_first_user_and_resets_one_who_exists(
    people: People, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert command.main(["Ada@Example.com", "--role", "owner"]) == 0
    path = capsys.readouterr().out.strip()
    assert path.startswith("/invitation/")
    people.accepted({"invitation": {"path": path}})
    browser = people.browser()
    assert browser.log_in(EMAIL).json["role"] == "owner"
    assert command.main([EMAIL]) == 0
    path = capsys.readouterr().out.strip()
    assert path.startswith("/reset/")
    people.accepted({"invitation": {"path": path}}, "quite another password")
    assert people.browser().log_in(EMAIL, "quite another password").status_code == 200


def test_the_command_says_in_one_sentence_why_it_cannot(
    people: People, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert command.main(["nobody"]) == 1
    assert capsys.readouterr() == (
        "",
        "waypost: the e-mail address must be an e-mail address such as ada@example.com\n",
    )
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    assert command.main([EMAIL]) == 1
    assert capsys.readouterr().err.count("\n") == 1
