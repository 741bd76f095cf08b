"""Saved reports and their schedules over the API: who sees and changes them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from admin_api.runtime import Database
from admin_client import AdminClient
from config.configuration import hash_token
from config.settings import MailSettings

QUESTION = {"group_by": "link", "period": "last_7_days", "country": "!DE"}
MAIL = MailSettings("127.0.0.1", 9, "none", "", "", "reports@example.com")


def user_client(admin: AdminClient, database: Database, email: str, role: str, source_id: int | None) -> AdminClient:
    """Return a client with the API token of a new user."""
    row = database.execute(
        "insert into users (email, name, role, source_id) values (%s, %s, %s, %s) returning user_id",
        [email, email, role, source_id],
    ).fetchone()
    assert row is not None
    token = f"wp_{email}"
    database.execute(
        "insert into api_tokens (token_hash, name, user_id) values (%s, %s, %s)",
        [hash_token(token), email, row["user_id"]],
    )
    return AdminClient(admin.collaborators, token)


def saved(client: AdminClient, **fields: Any) -> dict[str, Any]:
    """Save a report."""
    return client.created("saved-reports", **{"name": "Spring", "question": QUESTION} | fields)


def names(client: AdminClient, query: str = "") -> list[str]:
    """Return the names of the reports that somebody sees."""
    return [each["name"] for each in client.request("GET", f"/v1/saved-reports{query}").json["items"]]


def test_a_report_is_saved_changed_found_and_deleted(admin: AdminClient) -> None:
    made = saved(admin)
    path = f"/v1/saved-reports/{made['saved_report_id']}"
    assert made["question"] == QUESTION
    assert made["mine"]
    shown = admin.request("GET", path)
    assert shown.headers["etag"]
    assert admin.request("PATCH", path, {"name": "Summer"}, If_Match='"99"').status_code == 412
    assert admin.request("PATCH", path, {"name": "Summer"}, If_Match=shown.headers["etag"]).json["name"] == "Summer"
    assert names(admin, "?q=sum") == ["Summer"]
    assert names(admin, "?q=spring") == []
    assert names(admin, "?mine=true&shared=false") == ["Summer"]
    assert admin.request("DELETE", path).status_code == 204
    assert admin.request("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"group_by": "weather"}, "question.group_by"),
        ({"period": "soon"}, "question.period"),
        ({"period": "today", "to": "2026-11-25"}, "question.period"),
        ({"link": "x"}, "question.link"),
        ({"unknown": "x"}, "question.unknown"),
        ({"time_zone": "Mars/Olympus", "period": "today"}, "question.time_zone"),
    ],
)
def test_a_question_that_reports_would_refuse_is_not_saved(
    admin: AdminClient, question: dict[str, str], field: str
) -> None:
    refused = admin.request("POST", "/v1/saved-reports", {"name": "x", "question": question})
    assert refused.status_code == 400
    assert [each["field"] for each in refused.json["errors"]] == [field]


def test_a_private_report_is_its_owners_and_a_shared_one_is_read_by_others(
    admin: AdminClient, database: Database
) -> None:
    ann = user_client(admin, database, "ann@example.com", "manager", None)
    bob = user_client(admin, database, "bob@example.com", "manager", None)
    private, shared = saved(ann, name="Private"), saved(ann, name="Shared", shared=True)
    assert names(ann) == ["Private", "Shared"]
    assert names(bob) == ["Shared"]
    assert not bob.request("GET", f"/v1/saved-reports/{shared['saved_report_id']}").json["mine"]
    assert bob.request("GET", f"/v1/saved-reports/{private['saved_report_id']}").status_code == 404
    for report in (private, shared):
        path = f"/v1/saved-reports/{report['saved_report_id']}"
        assert bob.request("PATCH", path, {"name": "Mine now"}).status_code == 404
        assert bob.request("DELETE", path).status_code == 404
        body = {"saved_report_id": report["saved_report_id"], "every": "day", "recipients": ["bob@example.com"]}
        refused = bob.request("POST", "/v1/report-schedules", body)
        assert (refused.status_code, refused.json["field"]) == (400, "saved_report_id")
    # An owner of the installation sees and ends everything.
    assert names(admin) == ["Private", "Shared"]
    assert admin.request("DELETE", f"/v1/saved-reports/{private['saved_report_id']}").status_code == 204


def test_a_partner_sees_what_its_own_source_shares_and_sends_to_itself_alone(
    admin: AdminClient, database: Database
) -> None:
    one, two = (admin.created("sources", name=name)["source_id"] for name in ("One", "Two"))
    pat = user_client(admin, database, "pat@one.example", "partner", one)
    pia = user_client(admin, database, "pia@one.example", "partner", one)
    tom = user_client(admin, database, "tom@two.example", "partner", two)
    saved(admin, name="The house's", shared=True)
    report = saved(pat, name="Pat's", shared=True)
    assert (names(pat), names(pia), names(tom)) == (["Pat's"], ["Pat's"], [])
    body = {"saved_report_id": report["saved_report_id"], "every": "week", "recipients": ["victim@example.com"]}
    refused = pat.request("POST", "/v1/report-schedules", body)
    assert (refused.status_code, refused.json["field"]) == (400, "recipients")
    schedule = pat.created("report-schedules", **body | {"recipients": ["pat@one.example"]})
    path = f"/v1/report-schedules/{schedule['report_schedule_id']}"
    assert pat.request("PATCH", path, {"recipients": ["victim@example.com"]}).status_code == 400
    assert pia.request("GET", path).status_code == 200
    assert pia.request("PATCH", path, {"active": False}).status_code == 404
    assert tom.request("GET", path).status_code == 404
    assert tom.request("GET", "/v1/report-schedules").json["items"] == []


def test_switching_a_schedule_on_again_does_not_send_what_was_missed(admin: AdminClient, database: Database) -> None:
    report = saved(admin)
    schedule = admin.created(
        "report-schedules", saved_report_id=report["saved_report_id"], every="month", recipients=["a@example.com"]
    )
    path = f"/v1/report-schedules/{schedule['report_schedule_id']}"
    admin.request("PATCH", path, {"active": False})
    database.execute("update report_schedules set next_at = '2020-01-01', suspended_reason = 'gone'")
    again = admin.request("PATCH", path, {"active": True}).json
    assert again["next_at"] == schedule["next_at"]
    assert again["suspended_reason"] is None
    assert admin.request("DELETE", f"/v1/saved-reports/{report['saved_report_id']}").status_code == 204
    assert admin.request("GET", path).status_code == 404


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "nobody",
        "a@b",
        "a b@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "<a@example.com>",
        "a@-x.example",
        "ü@example.com",
    ],
)
def test_an_address_that_could_be_more_than_one_is_refused(admin: AdminClient, recipient: str) -> None:
    report = saved(admin)
    body = {"saved_report_id": report["saved_report_id"], "every": "day", "recipients": [recipient]}
    assert admin.request("POST", "/v1/report-schedules", body).status_code == 400


def test_a_report_is_sent_at_once_only_with_a_mail_server(admin: AdminClient) -> None:
    path = f"/v1/saved-reports/{saved(admin)['saved_report_id']}/send"
    body = {"recipients": ["a@example.com"], "format": "xlsx"}
    refused = admin.request("POST", path, body)
    assert (refused.status_code, refused.json["code"]) == (409, "no-mail-server")
    client = AdminClient(replace(admin.collaborators, mail=MAIL), admin.token)
    assert client.request("POST", "/v1/saved-reports/999/send", body).status_code == 404
    for _ in range(10):
        sent = client.request("POST", path, body)
        assert (sent.status_code, sent.json["state"]) == (202, "waiting")
        assert client.request("GET", sent.headers["location"]).json == sent.json
    full = client.request("POST", path, body)
    assert (full.status_code, full.json["code"]) == (409, "too-many-mails")
