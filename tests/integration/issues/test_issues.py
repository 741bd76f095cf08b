"""Issues over HTTP: listed by kind, state and merchant, resolved with a note, opened again."""

from __future__ import annotations

from uuid import uuid4

import pytest

from admin_api.issues import open_issue
from admin_api.runtime import Database
from admin_client import AdminClient
from tracking.issues import IssueKind


@pytest.fixture
def issues(database: Database) -> list[int]:
    """Open three issues and return their ids."""
    for kind, subject, merchant_id in (
        (IssueKind.CORRECTED_POSTBACK, "a", 1),
        (IssueKind.CORRECTED_POSTBACK, "b", 2),
        (IssueKind.RATE_MISSING, "c", None),
    ):
        open_issue(database, kind, subject, f"About {subject}", {"subject": subject}, merchant_id=merchant_id)
    return [row["issue_id"] for row in database.execute("select issue_id from issues order by issue_id").fetchall()]


def test_an_issue_shows_what_it_is_about(admin: AdminClient, database: Database) -> None:
    postback_id, conversion_id, click_id = uuid4(), uuid4(), uuid4()
    for _ in range(2):
        open_issue(
            database,
            IssueKind.PARKED_POSTBACK,
            "x",
            "A title",
            {"query": "a=b"},
            merchant_id=7,
            postback_id=postback_id,
            conversion_id=conversion_id,
            click_id=click_id,
        )
    (item,) = admin.request("GET", "/v1/issues").json["items"]
    expected = {
        "kind": "parked-postback",
        "state": "open",
        "title": "A title",
        "detail": {"query": "a=b"},
        "merchant_id": 7,
        "postback_id": str(postback_id),
        "conversion_id": str(conversion_id),
        "click_id": str(click_id),
        "count": 2,
        "reopened": 0,
        "note": None,
        "resolved_at": None,
    }
    assert item.items() >= expected.items()
    assert admin.request("GET", f"/v1/issues/{item['issue_id']}").json == item
    schema = admin.request("GET", "/v1/openapi.json").json["components"]["schemas"]["Issue"]
    assert list(item) == list(schema["properties"]) == schema["required"]


def test_issues_are_listed_newest_first_by_any_filter(admin: AdminClient, issues: list[int]) -> None:
    def listed(query: str) -> list[int]:
        return [item["issue_id"] for item in admin.request("GET", f"/v1/issues?{query}").json["items"]]

    assert listed("") == issues[::-1]
    assert listed("kind=corrected-postback") == issues[1::-1]
    assert listed("merchant_id=2") == [issues[1]]
    admin.request("PATCH", f"/v1/issues/{issues[0]}", {"state": "resolved"})
    assert listed("state=resolved") == [issues[0]]
    assert listed("state=open&kind=corrected-postback") == [issues[1]]


def test_pages_of_issues_join_without_a_gap(admin: AdminClient, issues: list[int]) -> None:
    first = admin.request("GET", "/v1/issues?limit=2").json
    second = admin.request("GET", f"/v1/issues?limit=2&cursor={first['next_cursor']}").json
    assert [item["issue_id"] for item in first["items"] + second["items"]] == issues[::-1]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [("kind=nothing", "kind"), ("state=closed", "state"), ("merchant_id=x", "merchant_id"), ("cursor=x", "cursor")],
)
def test_a_filter_that_means_nothing_is_refused(admin: AdminClient, query: str, field: str) -> None:
    result = admin.request("GET", f"/v1/issues?{query}")
    assert (result.status_code, result.json["field"]) == (400, field)


def test_resolving_keeps_the_note_and_the_next_time_opens_it_again(
    admin: AdminClient, database: Database, issues: list[int]
) -> None:
    path = f"/v1/issues/{issues[0]}"
    resolved = admin.request("PATCH", path, {"state": "resolved", "note": "told the merchant"}).json
    assert (resolved["state"], resolved["note"], resolved["count"]) == ("resolved", "told the merchant", 1)
    assert resolved["resolved_at"] is not None
    open_issue(database, IssueKind.CORRECTED_POSTBACK, "a", "About a", {"again": True})
    again = admin.request("GET", path).json
    assert (again["state"], again["note"], again["count"], again["reopened"]) == ("open", "told the merchant", 2, 1)
    assert (again["detail"], again["resolved_at"]) == ({"again": True}, None)


def test_an_operator_may_open_an_issue_again(admin: AdminClient, issues: list[int]) -> None:
    path = f"/v1/issues/{issues[0]}"
    admin.request("PATCH", path, {"state": "resolved"})
    opened = admin.request("PATCH", path, {"state": "open", "note": None}).json
    assert (opened["state"], opened["resolved_at"], opened["reopened"]) == ("open", None, 0)


def test_a_change_of_what_has_changed_meanwhile_is_refused(
    admin: AdminClient, database: Database, issues: list[int]
) -> None:
    path = f"/v1/issues/{issues[0]}"
    etag = admin.request("GET", path).headers["ETag"]
    # That it happened once more is no change of what the operator read.
    open_issue(database, IssueKind.CORRECTED_POSTBACK, "a", "About a", {})
    assert admin.request("PATCH", path, {"state": "resolved"}, If_Match=etag).status_code == 200
    result = admin.request("PATCH", path, {"state": "open"}, If_Match=etag)
    assert (result.status_code, result.json["code"]) == (412, "revision-mismatch")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"state": "closed"}, "state"),
        ({"note": "x" * 2001}, "note"),
        ({"kind": "rate-missing"}, "kind"),
        ({"state": None}, "state"),
    ],
)
def test_a_change_that_cannot_be_is_refused(admin: AdminClient, issues: list[int], body: object, field: str) -> None:
    result = admin.request("PATCH", f"/v1/issues/{issues[0]}", body)
    assert (result.status_code, result.json["field"]) == (400, field)


def test_several_wrong_filters_or_fields_are_named_together(admin: AdminClient, issues: list[int]) -> None:
    listed = admin.request("GET", "/v1/issues?kind=nothing&state=&colour=red")
    assert [each["field"] for each in listed.json["errors"]] == ["kind", "state", "colour"]
    changed = admin.request("PATCH", f"/v1/issues/{issues[0]}", {"state": "closed", "note": 7, "kind": "rate-missing"})
    assert [(each["field"], each["code"]) for each in changed.json["errors"]] == [
        ("state", "invalid-field"),
        ("note", "invalid-field"),
        ("kind", "unknown-field"),
    ]
    assert admin.request("GET", f"/v1/issues/{issues[0]}").json["state"] == "open"


def test_an_issue_of_a_kind_of_a_newer_release_is_shown(
    admin: AdminClient, database: Database, issues: list[int]
) -> None:
    database.execute("update issues set kind = 'a-new-kind' where issue_id = %s", [issues[0]])
    assert admin.request("GET", f"/v1/issues/{issues[0]}").json["kind"] == "a-new-kind"
    assert [item["kind"] for item in admin.request("GET", "/v1/issues").json["items"]].count("a-new-kind") == 1


@pytest.mark.parametrize("issue_id", ["999", "x", "0"])
def test_an_unknown_issue_is_404(admin: AdminClient, issue_id: str) -> None:
    for method, body in (("GET", None), ("PATCH", {"state": "open"})):
        assert admin.request(method, f"/v1/issues/{issue_id}", body).status_code == 404


def test_many_issues_are_resolved_as_their_preview_showed_them(admin: AdminClient, database: Database) -> None:
    for number in range(4):
        database.execute(
            "insert into issues (kind, subject_key, title, merchant_id, note) values ('rate-missing', %s, 'T', 1, %s)",
            [str(number), "mine" if number == 0 else None],
        )
    body = {"filter": {"kind": "rate-missing"}}
    look = admin.request("POST", "/v1/issues/resolve", body)
    assert (look.status_code, look.json["count"], look.json["changed"]) == (200, 4, None)
    admin.request("PATCH", "/v1/issues/4", {"state": "resolved"})
    outdated = admin.request("POST", "/v1/issues/resolve", body | {"token": look.json["token"]})
    assert (outdated.status_code, outdated.json["code"]) == (409, "preview-outdated")
    token = admin.request("POST", "/v1/issues/resolve", body).json["token"]
    done = admin.request("POST", "/v1/issues/resolve", body | {"token": token})
    assert done.json == {"count": 3, "token": None, "changed": 3}
    shown = admin.request("GET", "/v1/issues?state=resolved").json["items"]
    assert [each["note"] for each in shown] == [None, None, None, "mine"]
    again = admin.request("POST", "/v1/issues/resolve", body | {"token": token})
    assert again.json["code"] == "preview-outdated"


def test_a_note_of_many_is_on_each_and_a_null_filter_resolves_nothing(admin: AdminClient, database: Database) -> None:
    database.execute("insert into issues (kind, subject_key, title) values ('rate-missing', 'a', 'T')")
    refused = admin.request("POST", "/v1/issues/resolve", {"filter": {"kind": None}})
    assert (refused.status_code, refused.json["field"]) == (400, "filter.kind")
    body = {"filter": {}, "note": "loaded the rates"}
    token = admin.request("POST", "/v1/issues/resolve", body).json["token"]
    admin.request("POST", "/v1/issues/resolve", body | {"token": token})
    assert admin.request("GET", "/v1/issues/1").json["note"] == "loaded the rates"


def test_issues_are_sorted_by_what_is_asked_for(admin: AdminClient, database: Database) -> None:
    for count, minute in ((5, 1), (9, 3), (5, 2)):
        database.execute(
            "insert into issues (kind, subject_key, title, count, last_seen_at)"
            " values ('rate-missing', %s, 'T', %s, '2026-11-01'::timestamptz + make_interval(mins => %s))",
            [str(minute), count, minute],
        )

    def listed(sort: str) -> list[int]:
        path, found = f"/v1/issues?limit=1&sort={sort}", []
        cursor = ""
        while True:
            page = admin.request("GET", f"{path}{cursor}").json
            found += [item["issue_id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    orders = {sort: listed(sort) for sort in ("-issue_id", "issue_id", "-last_seen_at", "count", "-count")}
    assert orders == {
        "-issue_id": [3, 2, 1],
        "issue_id": [1, 2, 3],
        "-last_seen_at": [2, 3, 1],
        "count": [1, 3, 2],
        "-count": [2, 3, 1],
    }
