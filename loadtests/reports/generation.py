"""Makes the whole data set in an empty database, table by table, and checks it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from time import monotonic
from typing import Any

from psycopg import Connection

from loadtests.pipeline.stack import BenchError, Stack
from loadtests.reports.click_rollups import write_click_rollups
from loadtests.reports.consistency import check
from loadtests.reports.conversions import write_conversion_rollups, write_conversions
from loadtests.reports.data_set import DataSet
from loadtests.reports.raw_clicks import write_raw_clicks
from loadtests.reports.scene import make_scene
from loadtests.reports.visits import make_visits
from tracking.reports import GROUPS, clicks_table, day_of

DISK_BYTES = 25 << 30
Seconds = dict[str, float]


def generate(stack: Stack, data_set: DataSet) -> Seconds:
    """Fill the stack's database and return the seconds of each part. Raises BenchError when something is wrong."""
    free = shutil.disk_usage(stack.home).free
    if free < DISK_BYTES:
        raise BenchError(f"{free / 1e9:.0f} GB of disk are free, and making the data set takes {DISK_BYTES / 1e9:.0f}")
    seconds: Seconds = {}
    with stack.database() as connection:
        fill(connection, data_set, seconds)
        _timed(seconds, "check", lambda: check(connection, data_set))
        connection.execute("checkpoint")
    return seconds


def fill(connection: Connection[Any], data_set: DataSet, seconds: Seconds) -> None:
    """Fill an empty database, and note in `seconds` how long each part takes."""
    connection.execute("set jit = off")
    _timed(seconds, "links and the like", lambda: make_scene(connection, data_set))
    _timed(seconds, "a week of clicks", lambda: make_visits(connection, data_set))
    _timed(seconds, "roll-ups of clicks", lambda: _clicks(connection, data_set))
    _timed(seconds, "conversions", lambda: write_conversions(connection, data_set))
    _timed(seconds, "roll-ups of conversions", lambda: _conversions(connection, data_set))
    _timed(seconds, "single clicks", lambda: write_raw_clicks(connection, data_set))
    _state(connection, data_set)
    connection.execute("drop schema bench cascade")


def _clicks(connection: Connection[Any], data_set: DataSet) -> None:
    for group in GROUPS:
        write_click_rollups(connection, data_set, group)


def _conversions(connection: Connection[Any], data_set: DataSet) -> None:
    for group in GROUPS:
        write_conversion_rollups(connection, data_set, group)


def _state(connection: Connection[Any], data_set: DataSet) -> None:
    """Say what the roll-ups hold, and that no single clicks are kept of the days before."""
    connection.execute(
        "update report_state set time_zone = 'UTC', built_day = %s, hours_from = %s",
        [data_set.last_number + 1, data_set.first_hour_day * 24],
    )
    ended_at = f"{day_of(data_set.first_raw_day)}T00:00:00Z"
    connection.execute(
        "insert into retention_drops (class, partition_name, ends_at, rows, bytes, dropped_at)"
        " values ('clicks', 'clicks_before', %s, 0, 0, now())",
        [ended_at],
    )
    for group in GROUPS:
        if group.limited:
            connection.execute(
                "insert into report_days (grp, day, keys)"
                f" select %s, block, count(*) from {clicks_table(group)} where level = 1 group by block",
                [group.name],
            )


def _timed(seconds: Seconds, name: str, work: Callable[[], Any]) -> None:
    began = monotonic()
    work()
    seconds[name] = monotonic() - began
    print(f"{name}: {seconds[name]:.0f} s", flush=True)
