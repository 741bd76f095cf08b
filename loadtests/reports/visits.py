"""The clicks of a typical week, one row each, made inside PostgreSQL. Each day of the data set is one of these seven.

All roll-ups are sums over these rows, so they agree with each other, and have as many keys as real days of this size.
The names of campaigns and sites move on with the days, as they do in reality.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from loadtests.reports.data_set import DataSet

_SEED = 0.42
# The share of valid clicks, and how many conversions a click has that converts.
_VALID, EVENTS_A_CLICK = 0.86, 1.6
CLASSES = ("valid", "duplicate", "bot", "datacenter", "rate", "head", "prefetch")
DEVICES = ("desktop", "phone", "tablet")
SYSTEMS = ("Windows", "Mac OS X", "Linux", "Android", "iOS", "Chrome OS")
BROWSERS = ("Chrome", "Safari", "Edge", "Firefox", "Samsung Internet", "Opera", "Chrome Mobile", "Mobile Safari")
LANGUAGES = 40
CITIES = 50
HOSTS = 250
CAMPAIGNS = 200
CREATIVES = 60
# The first so many campaigns and sites are there every day.
_STAYING = 40
# A rank by Zipf's law with exponent 1 among `n`: the second is chosen half as often as the first.
_ZIPF = "least(floor(exp(random() * ln({n} + 1.0)))::integer, {n})"


def zipf(count: int) -> str:
    """Return SQL for a rank from 1 to `count`."""
    return _ZIPF.format(n=count)


def make_visits(connection: Connection[Any], data_set: DataSet) -> int:
    """Fill bench.visits and return how many rows it has. Weekday 0 is Monday."""
    connection.execute("create schema if not exists bench")
    connection.execute("drop table if exists bench.visits")
    connection.execute(_TABLE)
    connection.execute("select setseed(%s)", [_SEED])
    # One after the other and without parallel workers: the same numbers in each run.
    connection.execute("set max_parallel_workers_per_gather = 0")
    made = 0
    for weekday in range(7):
        made += connection.execute(
            _visits(data_set), {"weekday": weekday, "count": data_set.visits_of(weekday)}
        ).rowcount
    connection.execute("analyze bench.visits")
    return made


_TABLE = """
create unlogged table bench.visits (
    weekday smallint, number integer, second integer,
    link_id integer, source_id integer, rule_id integer, destination_id integer,
    country smallint, city smallint, device smallint, os smallint, browser smallint, language smallint,
    host smallint, sub1 smallint, sub2 smallint, class smallint, is_unique boolean, cost_micro integer,
    converts boolean
)
"""


def _visits(data_set: DataSet) -> str:
    # `offset 0` keeps the random numbers of a row from being drawn again for each use.
    return f"""
insert into bench.visits
select %(weekday)s, number, second, link_id, {source_of("link_id", data_set)},
    case when link_id %% 3 = 0 then link_id else 0 end,
    case when link_id %% 3 = 0 then 10 * link_id + arm else 0 end,
    country, city, device,
    case device when 0 then (array[0, 1, 2, 5])[1 + kind %% 4] when 1 then (array[3, 4])[1 + kind %% 2]
        else (array[3, 4, 0])[1 + kind %% 3] end,
    case device when 0 then (array[0, 1, 2, 3, 5])[1 + taste %% 5] else (array[4, 5, 6, 7])[1 + taste %% 4] end,
    language, host, sub1, sub2, class, class = 0 and fresh < 0.75,
    case when link_id %% 5 = 0 and class < 5 then 20000 + 1000 * (link_id %% 80) else 0 end,
    class = 0 and converting < {data_set.conversions_of_a_thousand / 1000 / _VALID / EVENTS_A_CLICK}
from (
    select number,
        least(86399, greatest(0, floor(86400 * (random() + random() + random()) / 3)))::integer as second,
        {zipf(data_set.links)} as link_id, (random() < 0.3)::integer as arm,
        {zipf(data_set.countries)} as country, {zipf(CITIES)} as city,
        case when random() < 0.55 then 1 when random() < 0.9 then 0 else 2 end as device,
        {zipf(12)} - 1 as kind, {zipf(20)} - 1 as taste, {zipf(LANGUAGES)} as language,
        case when random() < 0.4 then 0 else {zipf(HOSTS)} end as host,
        case when random() < 0.2 then 0 else {zipf(CAMPAIGNS)} end as sub1,
        case when random() < 0.3 then 0 else {zipf(CREATIVES)} end as sub2,
        case when random() < 0.8 then 0 else {zipf(6)} end as class,
        random() as fresh, random() as converting
    from generate_series(1, %(count)s) number
    offset 0
) drawn
"""


def source_of(link: str, data_set: DataSet) -> str:
    """Return SQL for the source of a link: some have many links. One link in 97 has none."""
    rank = f"floor(exp(({link} * 7919 %% 1009) / 1009.0::float8 * ln({data_set.sources} + 1.0::float8)))"
    return f"case when {link} %% 97 = 0 then 0 else least({rank}::integer, {data_set.sources}) end"


def words(codes: list[str]) -> dict[str, str]:
    """Return SQL for the words of what bench.visits has as numbers; `visit` is its alias, `day` the day's number."""

    def one_of(values: tuple[str, ...] | list[str], index: str) -> str:
        return f"('{{{','.join(chr(34) + value + chr(34) for value in values)}}}'::text[])[{index}]"

    return {
        "country": one_of(codes, "visit.country"),
        "region": "'Region ' || visit.country || '-' || visit.city %% 8",
        "city": "'City ' || visit.country || '-' || visit.city",
        "device": one_of(DEVICES, "visit.device + 1"),
        "os": one_of(SYSTEMS, "visit.os + 1"),
        "browser": one_of(BROWSERS, "visit.browser + 1"),
        "language": "chr(96 + (visit.language + 1) / 2) || chr(97 + visit.language %% 26)",
        "referrer_host": moving("visit.host", "'site-' || {} || '.example'"),
        "sub1": moving("visit.sub1", "'campaign-' || {}"),
        "sub2": moving("visit.sub2", "'creative-' || {}"),
    }


def moving(number: str, text: str) -> str:
    """Return SQL for a name that is another one on each day, but for the first ones; 0 has none."""
    moved = f"case when {number} <= {_STAYING} then {number} else {number} + day - 20000 end"
    return f"case when {number} = 0 then '' else {text.format(f'({moved})')} end"
