"""Plans of the lists of conversions and entries: a page costs the same, however many others there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from admin_api.conversions.event_types import IN_USE
from admin_api.conversions.listing import ConversionFilter, conversions_query
from admin_api.http import Place
from admin_api.money.entry_table import EntryFilter, entries_query
from admin_api.runtime import Database
from query_plans import plan_of

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
STORED = 30_000
PLACE = Place(NOON + timedelta(seconds=STORED // 2), UUID(int=1))
PAGE = 51
CONVERSIONS: dict[str, dict[str, Any]] = {
    "all": {},
    "a busy merchant": {"merchant_id": 1},
    "a rare merchant": {"merchant_id": 50},
    "a rare link": {"link_id": 50},
    "a rare plan": {"plan_id": 50},
    "pending": {"status": "pending"},
    "reversed": {"status": "reversed"},
    "a rare reason": {"reason": "click-expired"},
    "a rare event": {"event": "qualified"},
    "an order": {"order_id": "A 777"},
    "a click": {"click_id": str(UUID(int=12345))},
    "postponed": {"postponed": "true"},
    "time": {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()},
}
ENTRIES: dict[str, dict[str, Any]] = {
    "all": {},
    "a busy source": {"source_id": 1},
    "a rare source": {"source_id": 50, "party": "source"},
    "a rare merchant": {"merchant_id": 50},
    "payments": {"kind": "payout"},
    "adjustments and reversals": {"kind": "adjustment,reversal"},
    "a payout": {"payout_id": int(NOON.timestamp()) // 100 + 7},
    "a conversion": {"conversion_id": str(UUID(int=777))},
}


@pytest.fixture(scope="module")
def many(module_database: Database) -> Database:
    """Return a database of many conversions with what was booked of them. What they are about is not there."""
    database = module_database
    database.execute("set session_replication_role = replica")
    database.execute(
        "insert into links (merchant_id, source_id, name, slug, destination_url)"
        " select 1, n, 'link', 'slug' || n, 'https://m.example/' from generate_series(1, 50) n"
    )
    rare = "case when n %% 1000 = 1 then 50 else 1 + n %% 49 end"
    database.execute(
        "insert into conversions (conversion_id, click_id, merchant_id, link_id, event, order_id, status, reason,"
        " authenticated, clicked_at, received_at)"
        f" select lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, {rare}, {rare},"
        " case n %% 900 when 3 then 'qualified' else 'ftd' end, 'A ' || n,"
        " case n %% 500 when 7 then 'pending' when 8 then 'reversed' else 'approved' end,"
        " case n %% 800 when 9 then 'click-expired' end, true, %s, %s + n * interval '1 second'"
        " from generate_series(1, %s) as n",
        [NOON, NOON, STORED],
    )
    database.execute(
        "insert into bookings (conversion_id, source_id, plan_id, commission, payout_schedule, hold_days,"
        " postponed)"
        " select conversion_id, link_id, link_id, 'cpa', 'monthly', 0, status = 'pending' from conversions"
    )
    for party, kind in (("merchant", "revenue"), ("source", "commission")):
        database.execute(
            "insert into entries (party, kind, conversion_id, merchant_id, source_id, amount_minor, currency,"
            " payout_schedule, payable_at, payout_id, created_at)"
            " select %(party)s, case extract(epoch from received_at)::bigint %% 600 when 5 then 'adjustment'"
            " when 6 then 'reversal' else %(kind)s end, conversion_id, merchant_id, link_id, 5, 'USD', 'monthly',"
            " received_at, case %(party)s when 'source' then extract(epoch from received_at)::bigint / 100 end,"
            " received_at from conversions order by received_at",
            {"party": party, "kind": kind},
        )
    database.execute(
        "insert into entries (party, kind, source_id, amount_minor, currency, payout_schedule, payable_at,"
        " payout_id, locked) select 'source', 'payout', 1, -5, 'USD', 'monthly', now(), n, true"
        " from generate_series(1, 30) n"
    )
    for table in ("links", "conversions", "bookings", "entries"):
        database.execute(f"analyze {table}")  # type: ignore[arg-type]
    return database


@pytest.mark.parametrize("place", [None, PLACE], ids=["first page", "later page"])
@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_page_of_conversions_reads_an_index_and_never_the_table(
    many: Database, name: str, place: Place | None
) -> None:
    query, values = conversions_query(ConversionFilter.model_validate(CONVERSIONS[name]).chosen(), place, PAGE)
    plan = plan_of(many, query, values)
    # Of each conversion its booking and its link are read too.
    assert plan.rows_read <= 3 * 10 * PAGE


@pytest.mark.parametrize("after", [0, STORED], ids=["first page", "later page"])
@pytest.mark.parametrize("name", ENTRIES)
def test_a_page_of_entries_reads_an_index_and_never_the_table(many: Database, name: str, after: int) -> None:
    query, values = entries_query(EntryFilter.model_validate(ENTRIES[name]).chosen(), after, PAGE)
    plan = plan_of(many, query, values)
    assert "Seq Scan" not in plan.kinds
    assert plan.rows_read <= 50 * PAGE


def test_whether_conversions_are_of_an_event_type_is_not_read_from_all_of_them(many: Database) -> None:
    for event, found in (("ftd", 1), ("never_reported", 0)):
        assert plan_of(many, sql.SQL(IN_USE), [event]).rows_read == found
