"""Single clicks of the last days, written into their partitions with the columns that the worker writes."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from psycopg import Connection

from loadtests.reports.data_set import DataSet, country_codes
from loadtests.reports.scene import profile_of
from loadtests.reports.visits import CLASSES, words
from tracking.clicks import first_click_id
from tracking.reports import day_of

_MS_A_DAY = 86_400_000


def write_raw_clicks(connection: Connection[Any], data_set: DataSet) -> int:
    """Write the clicks of the data set's last days and what the worker counts of them; return how many."""
    days = range(data_set.first_raw_day, data_set.last_number + 1)
    for day in days:
        low, high = (datetime.combine(day_of(each), time(), UTC) for each in (day, day + 1))
        bounds = [day_of(day), first_click_id(low), first_click_id(high)]
        connection.execute("select make_click_partition(%s, %s, %s)", bounds)
    insert = _insert(data_set)
    written = 0
    for day in days:
        written += connection.execute(insert, {"day": day, "weekday": (day + 3) % 7}).rowcount
    connection.execute(_COUNTS, {"low": days.start, "high": days.stop})
    connection.execute("analyze clicks")
    return written


def click_id(day: str, number: str, second: str) -> str:
    """Return SQL for a click id of a moment: UUIDv7, whose last bits are the click's number of its day.

    A conversion finds its click by it, without asking the table.
    """
    # The number in the milliseconds as well, so that ids of a second are not all of its first millisecond.
    ms = f"({day}::bigint * {_MS_A_DAY} + {second} * 1000 + {number} %% 1000)"
    return f"(lpad(to_hex({ms}), 12, '0') || '70008000' || lpad(to_hex({number}), 12, '0'))::uuid"


def _insert(data_set: DataSet) -> str:
    word = words(country_codes(data_set.countries))
    known = {name: f"nullif({text}, '')" for name, text in word.items()}
    classes = "('{" + ",".join(CLASSES) + "}'::text[])[visit.class + 1]"
    names = ("country", "region", "city", "device", "os", "browser", "language", "referrer_host", "sub1", "sub2")
    columns = ", ".join(names)
    values = ", ".join(known[name] for name in names)
    query = f"'sub1=' || {word['sub1']} || '&sub2=' || {word['sub2']}"
    return f"""
insert into clicks (click_id, clicked_at, link_id, profile_id, config_version, class, method, host, slug, query,
    parameters, ip, user_agent, referrer, accept_language, location, spool_id, spool_number, cost,
    rule_id, destination_id, visitor, is_unique, stored_at, {columns})
select {click_id("day", "number", "second")}, at, link_id, {profile_of("link_id", data_set)}, 1, {classes},
    case when class = 5 then 'HEAD' else 'GET' end, 'track.example.com', 'link' || link_id, {query}, '{{}}',
    '203.0.113.0'::inet + number %% 256, {_AGENT},
    case when host = 0 then '' else 'https://' || {word["referrer_host"]} || '/' end, 'en-US,en;q=0.9',
    'https://merchant.example/offer?src=waypost&clickid=' || number, '0-0-' || to_hex(day) || '-clicks',
    number - 1, nullif(cost_micro, 0) / 1000000.0, nullif(rule_id, 0), nullif(destination_id, 0),
    hashtextextended(number::text, day), is_unique, at, {values}
from (
    select *, %(day)s::integer as day,
        to_timestamp(%(day)s::bigint * 86400 + second + (number %% 1000) / 1000.0) as at
    from bench.visits where weekday = %(weekday)s
    offset 0
) visit order by second, number %% 1000
"""


_AGENT = (
    "'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1' || number %% 40"
    " || '.0.0.0 Safari/537.36'"
)
_COUNTS = """
insert into click_days (day, link_id, class, clicks, uniques)
select (clicked_at at time zone 'UTC')::date, link_id, class, count(*), count(*) filter (where is_unique)
from clicks where clicked_at >= to_timestamp(%(low)s::bigint * 86400)
    and clicked_at < to_timestamp(%(high)s::bigint * 86400)
group by 1, 2, 3
on conflict do nothing
"""
