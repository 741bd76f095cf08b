"""Reconciliation runs as they are stored: making one of a report, and reading runs and their rows. SQL only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.errors import DataError
from psycopg.types.json import Jsonb

from admin_api.http.old import ID_MAX, NotFoundError, Upload
from admin_api.reconciliation.matching import Period, compare_report, load_figures
from admin_api.reconciliation.report_rows import report_lines
from admin_api.reconciliation.report_settings import ReportSettings
from admin_api.runtime import Database, Row
from tracking.clicks import parse_click_id, parse_dyn
from tracking.money import format_amount
from tracking.runtime import FieldError

_ONE_DAY = timedelta(days=1)
_BOUNDS = "select %s::timestamp at time zone %s as begins_at, %s::timestamp at time zone %s as ends_at"
_INSERT = """
    insert into reconciliations (merchant_id, first_day, last_day, time_zone, begins_at, ends_at, file_name, file_bytes,
        file_sha256, rules)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning reconciliation_id
"""
_RUN = """
    select reconciliation_id, merchant_id, first_day, last_day, time_zone, begins_at, ends_at, file_name, file_bytes,
        file_sha256, rules, report_rows, figures, created_at
    from reconciliations
"""
_ROWS = """
    select row_id, class, row_number, reported_on, order_id, click_id, event, amount_minor, currency, status,
        conversion_id, our_received_at, our_order_id, our_click_id, our_event, our_amount_minor, our_currency,
        our_status, differences, faults
    from reconciliation_rows
"""


def save_run(database: Database, upload: Upload, settings: ReportSettings, keys: Sequence[bytes]) -> int:
    """Compare a report and store the run with its rows; return its number. Raises FieldError, and stores nothing."""
    with database.transaction():
        # One state of the database, however long the file takes.
        database.execute("set transaction isolation level repeatable read")
        account = _load_account(database, settings.merchant_id)
        begins_at, ends_at = _bounds(database, settings)
        values = (settings.merchant_id, settings.first_day, settings.last_day, settings.time_zone, begins_at, ends_at)
        of_file = (upload.file_name, upload.file_bytes, upload.file_sha256, Jsonb(settings.stated))
        inserted = database.execute(_INSERT, [*values, *of_file]).fetchone()
        assert inserted is not None
        run = int(inserted["reconciliation_id"])

        def read_click(text: str) -> UUID | None:
            return parse_click_id(text, keys) or parse_dyn(text, keys)

        lines = report_lines(upload.file, settings, account, read_click)
        count = compare_report(
            database,
            Period(
                run,
                settings.merchant_id,
                settings.only_events,
                begins_at,
                ends_at,
                settings.first_day,
                settings.last_day,
            ),
            lines,
        )
        database.execute(
            "update reconciliations set report_rows = %s, figures = %s where reconciliation_id = %s",
            [count, Jsonb(load_figures(database, run)), run],
        )
    return run


def load_run(database: Database, run: int) -> Row:
    """Return a run, or raise NotFoundError."""
    row = database.execute(f"{_RUN} where reconciliation_id = %s", [run]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no reconciliation {run}")
    return _with_amounts(row)


def load_runs(database: Database, before: int | None, limit: int, merchant_id: int | None) -> list[Row]:
    """Return up to `limit` runs, the newest first, of numbers below `before`."""
    of_merchant = "" if merchant_id is None else " and merchant_id = %(merchant)s"
    rows = database.execute(
        f"{_RUN} where reconciliation_id < %(before)s{of_merchant} order by reconciliation_id desc limit %(limit)s",
        {"before": ID_MAX if before is None else before, "merchant": merchant_id, "limit": limit},
    ).fetchall()
    return [_with_amounts(row) for row in rows]


def load_rows(database: Database, run: int, kind: str | None, after: int, limit: int) -> list[Row]:
    """Return up to `limit` rows of a run, of one class or all, as the file has them; what only we have comes last."""
    of_class = "" if kind is None else " and class = %(class)s"
    query = (
        f"{_ROWS} where reconciliation_id = %(run)s and row_id > %(after)s{of_class} order by row_id limit %(limit)s"
    )
    return database.execute(query, {"run": run, "class": kind, "after": after, "limit": limit}).fetchall()


def delete_run(database: Database, run: int) -> None:
    """Remove a run with its rows, or raise NotFoundError."""
    found = database.execute("delete from reconciliations where reconciliation_id = %s", [run])
    if found.rowcount == 0:
        raise NotFoundError(f"there is no reconciliation {run}")


def _load_account(database: Database, merchant_id: int) -> tuple[str, list[str]]:
    """Return the account's currency and all event types."""
    row = database.execute(
        "select currency, array(select event from event_types order by event) as events from merchants"
        " where merchant_id = %s",
        [merchant_id],
    ).fetchone()
    if row is None:
        raise FieldError("merchant_id", "merchant_id names a merchant that does not exist; see /v1/merchants")
    return row["currency"], row["events"]


def _bounds(database: Database, settings: ReportSettings) -> tuple[datetime, datetime]:
    """Return the moments a period comes to. PostgreSQL knows every time zone; the system may know none."""
    days = (settings.first_day, settings.time_zone, settings.last_day + _ONE_DAY, settings.time_zone)
    try:
        with database.transaction():
            row = database.execute(_BOUNDS, days).fetchone()
    except DataError:
        raise FieldError(
            "time_zone", f"there is no time zone {settings.time_zone!r}; name one such as UTC or Europe/Malta"
        ) from None
    assert row is not None
    return row["begins_at"], row["ends_at"]


def _with_amounts(row: Row) -> Row:
    """Add the figures' amounts in major units as text, which a reader wants to see; the minor ones are exact too."""
    figures: dict[str, Any] = {}
    for kind, figure in row["figures"].items():
        shown = {
            side: {
                currency: format_amount(minor, currency) for currency, minor in sorted(figure[f"{side}_minor"].items())
            }
            for side in ("theirs", "ours")
        }
        figures[kind] = {**figure, **shown}
    return row | {"figures": figures}
