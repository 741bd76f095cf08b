"""Plans of the delivery log: a page and a replay of failed deliveries cost the same, however many others there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg import sql

from admin_api.http import Place
from admin_api.outgoing.delivery_objects import DeliveryFilter
from admin_api.outgoing.delivery_table import deliveries_query, matching_deliveries
from admin_api.runtime import Database
from query_plans import plan_of

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
STORED = 30_000
PLACE = Place(NOON + timedelta(seconds=STORED // 2), UUID(int=1))
PAGE = 51
FILTERS = {
    "all": {},
    "a busy outgoing postback": {"outgoing_postback_id": 1},
    "a rare outgoing postback": {"outgoing_postback_id": 50},
    "failed": {"state": "failed"},
    "a rare event": {"event": "qualified"},
    "tests": {"is_test": "true"},
    "time": {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()},
    "a click": {"click_id": str(UUID(int=12345))},
}


@pytest.fixture(scope="module")
def many(module_database: Database) -> Database:
    """Return a database of many deliveries with an attempt each. What they are about is missing and not checked."""
    database = module_database
    database.execute("set session_replication_role = replica")
    database.execute(
        "insert into outgoing_postbacks (name, url, secrets)"
        " select 'Partner ' || n, 'https://partner.example/', '{whsec_x}' from generate_series(1, 50) n"
    )
    database.execute(
        "insert into deliveries (outgoing_postback_id, change_id, conversion_id, click_id, event, facts, is_test,"
        " state, due_at, attempts, planned_at)"
        " select case when n %% 1000 = 1 then 50 else 1 + n %% 49 end, case when n %% 997 <> 5 then n end,"
        " gen_random_uuid(), lpad(to_hex(n), 32, '0')::uuid, case n %% 900 when 3 then 'qualified' else 'ftd' end,"
        " '{}', n %% 997 = 5, case n %% 500 when 7 then 'failed' else 'delivered' end, null, 1,"
        " %s + n * interval '1 second' from generate_series(1, %s) as n",
        [NOON, STORED],
    )
    database.execute(
        "insert into delivery_attempts (delivery_id, attempt, ended_at) select delivery_id, 1, now() from deliveries"
    )
    database.execute("analyze deliveries")
    database.execute("analyze delivery_attempts")
    return database


@pytest.mark.parametrize("place", [None, PLACE], ids=["first page", "later page"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_page_of_deliveries_reads_an_index_and_never_the_table(
    many: Database, name: str, place: Place | None
) -> None:
    query, values = deliveries_query(DeliveryFilter.model_validate(FILTERS[name]).chosen(), place, PAGE)
    plan = plan_of(many, query, values)
    assert "Seq Scan" not in plan.kinds
    # Of each delivery one attempt is read too.
    assert plan.rows_read <= 2 * 10 * PAGE


def test_counting_failed_deliveries_reads_neither_the_others_nor_any_attempt(many: Database) -> None:
    chosen = DeliveryFilter().chosen(state=["failed"], is_test=False)
    query = sql.SQL("select count(*) {}").format(matching_deliveries(chosen))
    plan = plan_of(many, query, chosen.values)
    assert plan.indexes == {"deliveries_failed"}
    assert plan.rows_read == STORED // 500
