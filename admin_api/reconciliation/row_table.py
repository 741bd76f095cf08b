"""SQL of compared rows: they are written as they come, read by class and page, and summed up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

from psycopg import sql

from admin_api.http import Chosen
from admin_api.runtime import Database, Row
from tracking.reconciliation import RowClass

ROWS_AT_ONCE = 5000
# The columns in the order in which rows are written.
_COLUMNS: LiteralString = (
    "row_id, class, row_number, reported_on, order_id, click_id, event, amount_minor, currency, status, conversion_id,"
    " our_received_at, our_order_id, our_click_id, our_event, our_amount_minor, our_currency, our_status, differences,"
    " faults"
)
_COPY: LiteralString = f"copy reconciliation_rows (reconciliation_id, {_COLUMNS}) from stdin"
# A rejected or reversed conversion counts for nothing on the side that says so. If the report names no status, ours
# decides. Our conversion of a repeated row is counted with the row that it repeats.
_FIGURES = """
    select class, count(*) as rows, currency, our_currency,
        coalesce(sum(amount_minor) filter (
            where coalesce(status, our_status, 'approved') in ('pending', 'approved')), 0)::text as theirs_minor,
        coalesce(sum(our_amount_minor) filter (
            where our_status in ('pending', 'approved') and class <> 'repeated'), 0)::text as ours_minor
    from reconciliation_rows where reconciliation_id = %s group by class, currency, our_currency
"""


def save_rows(database: Database, run: int, rows: Iterator[list[Any]]) -> None:
    """Write numbered rows as they come. The same connection streams them, so each copy writes one batch."""
    row_id = 0
    for batch in _batches(rows):
        with database.cursor() as cursor, cursor.copy(_COPY) as copy:
            for row in batch:
                row_id += 1
                copy.write_row((run, row_id, *row))


def load_rows(database: Database, run: int, chosen: Chosen, after: int, limit: int) -> list[Row]:
    """Return up to `limit` rows of a run after a number, in the order of the file. Rows that only we have are last."""
    query = sql.SQL("select {} from reconciliation_rows {} order by row_id limit %(limit)s").format(
        sql.SQL(_COLUMNS), chosen.where(sql.SQL("reconciliation_id = %(run)s"), sql.SQL("row_id > %(after)s"))
    )
    return database.execute(query, chosen.values | {"run": run, "after": after, "limit": limit}).fetchall()


def load_figures(database: Database, run: int) -> dict[str, Any]:
    """Return the number of rows of each class, and what they are worth to either side, in minor units by currency."""
    figures: dict[str, Any] = {each.value: {"rows": 0, "theirs_minor": {}, "ours_minor": {}} for each in RowClass}
    for row in database.execute(_FIGURES, [run]):
        figure = figures[row["class"]]
        figure["rows"] += row["rows"]
        for side, currency in (("theirs_minor", row["currency"]), ("ours_minor", row["our_currency"])):
            if currency is not None and int(row[side]):
                figure[side][currency] = figure[side].get(currency, 0) + int(row[side])
    return figures


def _batches(rows: Iterator[list[Any]]) -> Iterator[list[list[Any]]]:
    batch: list[list[Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
