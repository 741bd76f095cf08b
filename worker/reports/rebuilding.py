"""Has all roll-ups built anew from the rows: it empties them and notes everything that is stored as not folded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from config.settings import ReportSettings
from tracking.clicks import first_click_id
from tracking.reports import CONVERSION_MEASURES, GROUPS, clicks_table, conversions_table, events_table
from worker.reports.checking import first_whole_day, midnight, one_snapshot
from worker.reports.state import first_hour
from worker.runtime import Connection

_LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_FIRST_ID = "00000000-0000-0000-0000-000000000000"
# RACE: clicks and progress are of one snapshot. A batch that commits later is noted itself, and not in the marks.
_MARK = (
    "insert into report_marks select spool_id, spool_numbers(done, ahead) from spool_progress"
    " where done > 0 or ahead <> '[]'"
)
_ALL_CLICKS = (
    "delete from report_click_changes",
    "delete from report_queue",
    "delete from report_recent",
    "delete from report_marks",
    _MARK,
    "insert into report_queue (low, high) select %(low)s, %(high)s where exists (select from report_marks)",
    "delete from report_days where day >= %(first_day)s",
    "delete from report_gaps where day >= %(first_day)s",
)
# The facts keep what is known of dropped clicks; only what was folded of them is taken back.
_ALL_CONVERSIONS = (
    f"update report_conversions set {', '.join(f'{name} = 0' for name in CONVERSION_MEASURES)}",  # noqa: S608
    "insert into report_conversion_queue (conversion_id) select conversion_id from conversions",
)
_BEGIN = "update report_state set time_zone = %(zone)s, built_day = 0, hours_from = %(hours_from)s"


def rebuild(run: Callable[..., Any], settings: ReportSettings, now_s: float) -> int:
    """Begin anew with the settings' zone; return the first day that is built from rows (0: all days are).

    The days before it keep their roll-ups as they are, since their clicks were dropped, whole or in part. Reports are
    right from the commit on, and slower until the maintenance worker has folded everything again.
    """

    def work(connection: Connection) -> int:
        with one_snapshot(connection, repair=True):
            zone = ZoneInfo(settings.time_zone)
            first_day = first_whole_day(connection, zone)
            values = {
                "first_day": first_day,
                "low": first_click_id(midnight(first_day, zone)) if first_day else _FIRST_ID,
                "high": _LAST_ID,
                "zone": settings.time_zone,
                "hours_from": first_hour(settings, now_s),
            }
            for group in GROUPS:
                connection.execute(
                    f"delete from {clicks_table(group)} where level <> 1 or block >= %(first_day)s",  # noqa: S608
                    values,
                )
                for table in (conversions_table(group), events_table(group)):
                    connection.execute(f"delete from {table}")  # noqa: S608
            for statement in (*_ALL_CLICKS, *_ALL_CONVERSIONS, _BEGIN):
                connection.execute(statement, values)
            return first_day

    first_day: int = run(work)
    return first_day
