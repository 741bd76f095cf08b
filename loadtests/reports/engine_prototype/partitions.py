"""A day of clicks exported from PostgreSQL as Parquet, as many days made of it as are asked for, and one rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from psycopg import Connection

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What reports and lists ask of a click, in the order of the files. Sorted by link, which most questions filter by.
COLUMNS = {
    "click_id": "uuid",
    "clicked_at": "timestamptz",
    "link_id": "bigint",
    "profile_id": "bigint",
    "source_id": "bigint",
    "merchant_id": "bigint",
    "rule_id": "bigint",
    "destination_id": "bigint",
    "country": "varchar",
    "region": "varchar",
    "city": "varchar",
    "device": "varchar",
    "os": "varchar",
    "browser": "varchar",
    "language": "varchar",
    "referrer_host": "varchar",
    "sub1": "varchar",
    "sub2": "varchar",
    "class": "varchar",
    "is_unique": "boolean",
    "cost": "decimal(18, 6)",
    "visitor": "bigint",
    "ip": "varchar",
    "user_agent": "varchar",
    "location": "varchar",
}
_OF_LINKS = ("source_id", "merchant_id")
_FORMAT = "(format parquet, compression zstd, row_group_size 122880)"
Seconds = dict[str, float]


@contextmanager
def timed(seconds: Seconds, name: str) -> Iterator[None]:
    """Note how long a block takes."""
    began = perf_counter()
    yield
    seconds[name] = perf_counter() - began


def export_day(connection: Connection[Any], engine: DuckDBPyConnection, directory: Path) -> tuple[int, Seconds]:
    """Copy all clicks of a database into one Parquet file; return how many, and the seconds of both steps."""
    seconds: Seconds = {}
    text, target = directory / "day.csv", directory / "exported.parquet"
    columns = ", ".join(f"links.{name}" if name in _OF_LINKS else f"clicks.{name}" for name in COLUMNS)
    copy = f"copy (select {columns} from clicks join links using (link_id)) to stdout (format csv)"
    with timed(seconds, "copy out of PostgreSQL"), text.open("wb") as file, connection.cursor().copy(copy) as rows:
        for block in rows:
            file.write(block)
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    read = f"read_csv('{text}', header = false, auto_detect = false, columns = {{{types}}})"
    with timed(seconds, "write Parquet"):
        engine.execute(f"copy (select * from {read} order by link_id, clicked_at) to '{target}' {_FORMAT}")
    text.unlink()
    return _count(engine, target), seconds


def multiply(engine: DuckDBPyConnection, directory: Path, days: int) -> None:
    """Make the days of the data set: the exported one with other ids, visitors and times, and campaigns that move on.

    What compresses badly in reality, because it never repeats, never repeats here either.
    """
    changed = {
        "click_id": "uuid()",
        "clicked_at": "clicked_at - interval 1 day * {day}",
        "visitor": "hash(visitor, {day})::bigint",
        "location": "regexp_replace(location, '[0-9]+$', hash(visitor, {day})::varchar)",
        "sub1": "case when hash(sub1) % 4 = 0 then sub1 || '-{day}' else sub1 end",
    }
    columns = ", ".join(f"{changed.get(name, name)} as {name}" for name in COLUMNS)
    # A hash is unsigned; half of them are no bigint.
    columns = columns.replace("hash(visitor, {day})::bigint", "(hash(visitor, {day}) // 2)::bigint")
    for day in range(days):
        select = f"select {columns.replace('{day}', str(day))} from '{directory}/exported.parquet'"
        engine.execute(f"copy ({select}) to '{day_file(directory, day)}' {_FORMAT}")


def make_conversions(engine: DuckDBPyConnection, directory: Path) -> None:
    """Write a conversion for each hundredth click, with what it earns."""
    engine.execute(
        f"""copy (select click_id, clicked_at, clicked_at + interval 1 minute * (hash(click_id) % 4000) as received_at,
            link_id, source_id, merchant_id, country, sub1, 'approved' as status, 'USD' as currency,
            1000 + hash(click_id) % 9000 as revenue_minor, 500 + hash(click_id) % 4000 as commission_minor
            from '{directory}/day-*.parquet' where hash(click_id) % 100 = 0)
        to '{directory}/conversions.parquet' {_FORMAT}"""
    )


def rewrite_day(engine: DuckDBPyConnection, directory: Path) -> float:
    """Change the class of a thousandth of a day's clicks, as a class run does, and return the seconds it takes."""
    began = perf_counter()
    target = day_file(directory, 0)
    draft = target.with_suffix(".draft")
    other = "case when hash(click_id) % 1000 = 0 then 'bot' else class end"
    engine.execute(f"copy (select * replace ({other} as class) from '{target}') to '{draft}' {_FORMAT}")
    draft.rename(target)
    return perf_counter() - began


def day_file(directory: Path, day: int) -> Path:
    """Return the file of a day."""
    return directory / f"day-{day:03}.parquet"


def _count(engine: DuckDBPyConnection, path: Path) -> int:
    row = engine.execute(f"select count(*) from '{path}'").fetchone()
    assert row is not None
    return int(row[0])
