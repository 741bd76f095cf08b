"""The SQL that programs share fits the database as the migrations make it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from config.tables import (
    clicks,
    conversions,
    delivery_attempts,
    entries,
    exchange_rates,
    issues,
    payouts,
    postbacks,
)

MOMENT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("table", "module", "names"),
    [
        ("clicks", clicks, ["WRITTEN"]),
        ("postbacks", postbacks, ["WRITTEN"]),
        ("entries", entries, ["BOOKED"]),
        ("delivery_attempts", delivery_attempts, ["ENDED"]),
    ],
)
def test_every_column_is_there_once(database_url: str, table: str, module: ModuleType, names: list[str]) -> None:
    query = (
        "select column_name from information_schema.columns where table_schema = current_schema() and table_name = %s"
    )
    with psycopg.connect(database_url) as connection:
        there = {row[0] for row in connection.execute(query, [table])}
    for name in names:
        columns = list(getattr(module, name))
        assert set(columns) <= there
        assert len(set(columns)) == len(columns)


@pytest.mark.parametrize(
    "query",
    [
        f"select {clicks.SHOWN} from clicks c",
        f"select {postbacks.SHOWN}, {postbacks.IS_CLAIM} from postbacks",
        f"select {entries.SHOWN} from entries",
        f"select {delivery_attempts.SHOWN} from delivery_attempts",
    ],
)
def test_what_is_shown_can_be_asked_for(database_url: str, query: str) -> None:
    with psycopg.connect(database_url) as connection:
        shown = connection.execute(query).description
    assert shown is not None
    assert "?column?" not in [column.name for column in shown]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (exchange_rates.COUNTING, {"currencies": ["EUR", "USD"], "day": date(2026, 11, 1)}),
        (payouts.PAYABLE, {"weekly": MOMENT, "fortnightly": MOMENT, "monthly": MOMENT}),
        (conversions.ATTRIBUTE, {"cause": "operator", "postback": "", "actor": "me", "note": "why"}),
        (
            issues.OPEN,
            {"kind": "rate-missing", "subject_key": "x", "title": "A title", "detail": Jsonb({})}
            | dict.fromkeys(("merchant_id", "postback_id", "conversion_id", "click_id")),
        ),
    ],
)
def test_every_statement_runs(database_url: str, statement: str, values: Any) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.execute(statement, values).statusmessage


def test_a_payout_is_made_as_its_statements_say(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection, connection.transaction():
        for statement in payouts.BEGIN:
            connection.execute(statement)
        connection.execute("insert into sources (name) values ('s')")
        row = connection.execute(payouts.MAKE, [1, "USD", "weekly", MOMENT]).fetchone()
    assert row == (1,)
