"""Inserts clicks by COPY, counts them by day, and finds the rows that PostgreSQL refuses. SQL only.

A batch is copied straight into `clicks`. COPY takes every row or none, so the day counts are those of the rows. Only
when an id is there already does the batch go through a staging table and ON CONFLICT, which says which rows were new.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from config.tables import clicks
from worker.clicks.columns import ClickRows, Days
from worker.clicks.partitions import day_number, day_of
from worker.runtime import Connection, StaleError, is_transient, log

_COLUMNS = ", ".join(clicks.WRITTEN)
_COPY = sql.SQL("copy {} ({}) from stdin")
_COPY_CLICKS = _COPY.format(sql.Identifier("clicks"), sql.SQL(_COLUMNS))
_COPY_STAGING = _COPY.format(sql.Identifier("click_staging"), sql.SQL(_COLUMNS))
_CREATE_STAGING = "create temp table if not exists click_staging (like clicks including defaults) on commit delete rows"
_INSERT_STAGED = (
    f"insert into clicks ({_COLUMNS}) select {_COLUMNS} from click_staging order by click_id"  # noqa: S608
    " on conflict (click_id) do nothing returning clicked_at, link_id, class"
)
_ADD_DAYS = (
    "insert into click_days (day, link_id, class, clicks, uniques)"
    " select day, link_id, class, clicks, case class when 'valid' then clicks else 0 end"
    " from unnest(%s::date[], %s::bigint[], %s::text[], %s::bigint[]) as fresh (day, link_id, class, clicks)"
    " on conflict (day, link_id, class) do update"
    " set clicks = click_days.clicks + excluded.clicks, uniques = click_days.uniques + excluded.uniques"
)
# Classes of errors that are about a value: data exception, constraint, program limit. Any other may be about PostgreSQL
# itself.
_RECORD_FAULTS = ("22", "23", "54")
_PIECE_ROWS = 200


class RefusedRow(NamedTuple):
    """A row that PostgreSQL refuses by itself."""

    number: int
    click_id: str
    error: psycopg.Error


class Inserted(NamedTuple):
    """How many rows were inserted, by day number, link and class, and which rows PostgreSQL refused."""

    days: Days
    refused: list[RefusedRow]


def copy_clicks(connection: Connection, rows: ClickRows) -> Days:
    """Insert all rows in the caller's transaction, or raise; return how many, by day number, link and class."""
    if rows:
        # PERF: straight into the partitions. Through the staging table a batch of 1,000 takes half as long again.
        with connection.cursor().copy(_COPY_CLICKS) as copy:
            _write(copy, rows)
    return rows.day_counts()


def insert_clicks(connection: Connection, rows: ClickRows) -> Inserted:
    """Insert the rows that are new in the caller's transaction; set those apart that PostgreSQL refuses.

    When every single row fails with an error that is not about values, the database is at fault: the error is raised.
    """
    inserted = Inserted(Counter(), [])
    if not rows:
        return inserted
    for days, refused_row in _insert_halving(connection, rows):
        inserted.days.update(days)
        if refused_row is not None:
            inserted.refused.append(refused_row)
    if len(inserted.refused) == len(rows):
        error = inserted.refused[0].error
        if not (error.sqlstate or "").startswith(_RECORD_FAULTS):
            raise error
    return inserted


def day_arrays(days: Days) -> list[str]:
    """Return day counts as the arrays that add_click_days takes, written as PostgreSQL reads them.

    They are sorted, so that two batches with the same rows lock them in the same order. PERF: they are made before any
    row is locked, and as text, in a third of the time that psycopg takes for lists.
    """
    keys = sorted(days)
    columns = (
        (day_of(day).isoformat() for day, _, _ in keys),
        (str(link_id) for _, link_id, _ in keys),
        (kind for _, _, kind in keys),
        (str(days[key]) for key in keys),
    )
    return [f"{{{','.join(column)}}}" for column in columns]


def add_click_days(connection: Connection, arrays: Sequence[str]) -> None:
    """Add to the day counts. Every valid click counts as unique until it is settled."""
    connection.execute(_ADD_DAYS, arrays)


def _insert_halving(connection: Connection, rows: ClickRows) -> Iterator[tuple[Days, RefusedRow | None]]:
    """Yield what was inserted. A batch that is refused is halved: one bad row of 1,000 costs about twenty tries."""
    try:
        yield _insert(connection, rows), None
        return
    except psycopg.Error as error:
        if is_transient(error):
            raise
        if isinstance(error, psycopg.errors.CheckViolation) and error.diag.constraint_name is None:
            raise StaleError("a day's partition is gone") from error
        if len(rows) == 1:
            log("click-refused", logging.WARNING, click=rows.click_ids[0], sqlstate=error.sqlstate, error=error)
            yield Counter(), RefusedRow(rows.numbers[0], rows.click_ids[0], error)
            return
    middle = len(rows) // 2
    yield from _insert_halving(connection, rows.parts([(0, middle)]))
    yield from _insert_halving(connection, rows.parts([(middle, len(rows))]))


def _insert(connection: Connection, rows: ClickRows) -> Days:
    try:
        with connection.transaction():
            return copy_clicks(connection, rows)
    except psycopg.errors.UniqueViolation:
        pass
    with connection.transaction():
        connection.execute(_CREATE_STAGING)
        connection.execute("delete from click_staging")
        with connection.cursor().copy(_COPY_STAGING) as copy:
            _write(copy, rows)
        fresh = connection.execute(_INSERT_STAGED)
        return Counter((day_number(clicked_at), link_id, kind) for clicked_at, link_id, kind in fresh)


def _write(copy: psycopg.Copy, rows: ClickRows) -> None:
    # PERF: in pieces, since the processor's cache does not hold megabytes.
    for at in range(0, len(rows), _PIECE_ROWS):
        copy.write("".join(rows.lines[at : at + _PIECE_ROWS]).encode())
