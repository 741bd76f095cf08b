"""The task that makes payouts of the payable entries of each period that has ended. Operators can run it by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from psycopg.rows import dict_row

from config.tables import payouts
from tracking.money import Payable, held_back, payable_groups, period_ends
from worker.money.rates import Rates
from worker.runtime import Connection, log, resources

# PERF: a payout takes its entries in one statement, at 45 microseconds each: a million take longer than
# the usual limit of a statement.
STATEMENT_TIMEOUT_S = 570


def make_payouts() -> None:
    """Make the payouts of every period that has ended, but leave rejected payouts to the operator."""
    used = resources.current()
    now = datetime.fromtimestamp(used.now_s(), UTC)
    made = used.database.run(lambda connection: make_due(connection, now))
    used.tally.add(payouts=len(made))
    if made:
        log("payouts-made", payouts=len(made))


def make_due(connection: Connection, now: datetime) -> list[int]:
    """Make the payouts that are due at a moment, and return their ids."""
    with connection.transaction():
        for statement in payouts.BEGIN:
            connection.execute(statement)
        connection.execute(f"set local statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        return [
            _make(connection, payable, now)
            for payable in _load_payable(connection, now)
            if held_back(payable, anew=False) is None
        ]


def _load_payable(connection: Connection, now: datetime) -> list[Payable]:
    ends = {schedule.value: end for schedule, end in period_ends(now).items()}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(payouts.PAYABLE, ends).fetchall()
    return payable_groups(rows, Rates(connection), now)


def _make(connection: Connection, payable: Payable, now: datetime) -> int:
    values: list[Any] = [payable.source_id, payable.currency, payable.schedule.value]
    row = connection.execute(payouts.MAKE, [*values, period_ends(now)[payable.schedule]]).fetchone()
    assert row is not None
    return int(row[0])
