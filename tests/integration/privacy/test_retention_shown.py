"""The API shows for each class of data how long it is kept, what there is of it, and what is dropped next."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from admin_api.runtime import Database
from admin_client import AdminClient
from tracking.privacy import RETENTION_RULES, RetentionClass


def shown(admin: AdminClient) -> dict[str, dict[str, object]]:
    answer = admin.request("GET", "/v1/retention")
    assert answer.status_code == 200, answer.text
    return {each["name"]: each for each in answer.json["classes"]}


def test_every_class_is_shown_with_its_days_and_its_size(admin: AdminClient) -> None:
    classes = shown(admin)
    assert {name: each["days"] for name, each in classes.items()} == {
        kind.value: rule.days for kind, rule in RETENTION_RULES.items()
    }
    assert classes["clicks"]["next_drop"] is None
    assert classes["attempts"]["next_drop"] == "delivery_attempts_old"
    assert all(isinstance(each["bytes"], int) and each["bytes"] >= 0 for each in classes.values())


def test_the_next_drop_is_the_oldest_partition_when_its_last_row_is_old_enough(
    admin: AdminClient, database: Database
) -> None:
    database.execute(
        "select make_click_partition('2026-01-05', '019b8b4a-9800-0000-0000-000000000000', %s)",
        ["019b9070-f400-0000-0000-000000000000"],
    )
    ends_at = datetime.fromtimestamp(int("019b9070f400", 16) / 1000, UTC)
    days = dict.fromkeys(RetentionClass, 10)
    admin = AdminClient(dataclasses.replace(admin.collaborators, retention=days), admin.token)
    clicks = shown(admin)["clicks"]
    assert (clicks["next_drop"], clicks["partitions"]) == ("clicks_20260105", 1)
    due_at = datetime.fromisoformat(str(clicks["next_drop_at"]))
    assert due_at == ends_at + timedelta(days=10)


def test_a_class_without_partitions_shows_its_oldest_row(admin: AdminClient, database: Database) -> None:
    database.execute(
        "insert into poison_records values ('s', 1, '', 'r', '2026-05-01'), ('s', 2, '', 'r', '2026-06-01')"
    )
    database.execute(
        "insert into issues (kind, subject_key, title, opened_at) values ('rates-stale', 'x', 't', '2020-01-01')"
    )
    classes = shown(admin)
    assert (classes["poison"]["rows"], classes["poison"]["oldest_at"]) == (2, "2026-05-01T00:00:00Z")
    # It is open, so nothing of it is due.
    assert (classes["issues"]["rows"], classes["issues"]["oldest_at"]) == (1, None)


def test_what_was_dropped_is_counted(admin: AdminClient, database: Database) -> None:
    database.execute(
        "insert into retention_drops (class, partition_name, begins_at, ends_at, rows, bytes, dropped_at) values"
        " ('clicks', 'a', '2026-01-01', '2026-01-02', 5, 1, now()),"
        " ('clicks', 'b', '2026-01-02', '2026-01-03', 7, 1, now()),"
        " ('clicks', 'c', '2026-01-03', '2026-01-04', null, null, null)"
    )
    clicks = shown(admin)["clicks"]
    assert (clicks["dropped_partitions"], clicks["dropped_rows"]) == (2, 12)
