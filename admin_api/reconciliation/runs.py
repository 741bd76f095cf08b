"""Stores reconciliation runs: makes one from a report, reads and removes them. SQL only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from admin_api.http import ONLY_REVISION, Chosen, NotFoundError, Revisions, Upload, require_revision
from admin_api.reconciliation.matching import Period, compare_report
from admin_api.reconciliation.report_rows import report_lines
from admin_api.reconciliation.report_rules import Account
from admin_api.reconciliation.report_settings import ReportSettings
from admin_api.reconciliation.row_table import load_figures
from admin_api.runtime import Database, Row
from tracking.clicks import parse_click_id, parse_dyn
from tracking.runtime import FieldError

_ONE_DAY = timedelta(days=1)
# PostgreSQL accepts more than names: UTC+2 is two hours west of UTC there, and CEST is summer time all year.
_IS_TIME_ZONE = "select exists (select from pg_timezone_names where lower(name) = lower(%s)) as known"
_BOUNDS = "select %s::timestamp at time zone %s as begins_at, %s::timestamp at time zone %s as ends_at"
_INSERT = """
    insert into reconciliations (merchant_id, first_day, last_day, time_zone, begins_at, ends_at, file_name, file_bytes,
        file_sha256, rules)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning reconciliation_id
"""
_RUN: LiteralString = """
    select reconciliation_id, merchant_id, first_day, last_day, time_zone, begins_at, ends_at, file_name, file_bytes,
        file_sha256, rules, report_rows, figures, created_at
    from reconciliations
"""


def save_run(database: Database, upload: Upload, settings: ReportSettings, keys: Sequence[bytes]) -> int:
    """Compare a report and store the run with its rows. Return its number, or raise FieldError and store nothing."""
    with database.transaction():
        # All queries see one state of the database, however long the file takes.
        database.execute("set transaction isolation level repeatable read")
        account = _load_account(database, settings.merchant_id)
        begins_at, ends_at = _bounds(database, settings)
        of_settings = (settings.merchant_id, settings.first_day, settings.last_day, settings.time_zone)
        of_file = (upload.file_name, upload.file_bytes, upload.file_sha256)
        inserted = database.execute(
            _INSERT, [*of_settings, begins_at, ends_at, *of_file, Jsonb(settings.stated())]
        ).fetchone()
        assert inserted is not None
        period = Period(
            int(inserted["reconciliation_id"]),
            settings.merchant_id,
            settings.only_events,
            begins_at,
            ends_at,
            settings.first_day,
            settings.last_day,
        )

        def read_click(text: str) -> UUID | None:
            return parse_click_id(text, keys) or parse_dyn(text, keys)

        count = compare_report(database, period, report_lines(upload.file, settings, account, read_click))
        database.execute(
            "update reconciliations set report_rows = %s, figures = %s where reconciliation_id = %s",
            [count, Jsonb(load_figures(database, period.reconciliation_id)), period.reconciliation_id],
        )
    return period.reconciliation_id


def load_run(database: Database, run: int) -> Row:
    """Return a run, or raise NotFoundError."""
    row = database.execute(f"{_RUN} where reconciliation_id = %s", [run]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no reconciliation {run}")
    return row


def load_runs(database: Database, chosen: Chosen, before: int | None, limit: int) -> list[Row]:
    """Return up to `limit` runs with numbers below `before`, the newest first."""
    older = [] if before is None else [sql.SQL("reconciliation_id < %(before)s")]
    query = sql.SQL("{} {} order by reconciliation_id desc limit %(limit)s").format(sql.SQL(_RUN), chosen.where(*older))
    return database.execute(query, chosen.values | {"before": before, "limit": limit}).fetchall()


def delete_run(database: Database, run: int, allowed: Revisions) -> None:
    """Remove a run with its rows. Raises NotFoundError and RevisionError."""
    with database.transaction():
        load_run(database, run)
        require_revision(ONLY_REVISION, allowed, "reconciliation")
        database.execute("delete from reconciliations where reconciliation_id = %s", [run])


def _load_account(database: Database, merchant_id: int) -> Account:
    row = database.execute(
        "select currency, array(select event from event_types order by event) as events from merchants"
        " where merchant_id = %s",
        [merchant_id],
    ).fetchone()
    if row is None:
        raise FieldError("merchant_id", "merchant_id names a merchant that does not exist; see /v1/merchants")
    return Account(row["currency"], row["events"])


def _bounds(database: Database, settings: ReportSettings) -> tuple[datetime, datetime]:
    """Return the moments when a period begins and ends. PostgreSQL knows all time zones; the system may not."""
    zone = settings.time_zone
    known = database.execute(_IS_TIME_ZONE, [zone]).fetchone()
    if known is None or not known["known"]:
        raise FieldError("time_zone", f"there is no time zone {zone!r}; name one such as UTC or Europe/Malta")
    row = database.execute(_BOUNDS, [settings.first_day, zone, settings.last_day + _ONE_DAY, zone]).fetchone()
    assert row is not None
    return row["begins_at"], row["ends_at"]
