"""A position finds exactly what became visible since, in whatever order transactions commit."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psycopg
import pytest

import worker_cases as cases
from admin_api.runtime import Database
from admin_api.stream.notes import NOTES_MAX, load_notes, load_position
from worker.maintenance import forget_notes

_NOTE = "insert into stream_notes (kind, subject_id) values ('issue', %s)"


def read(database: Database, after: str, until: str | None = None) -> tuple[list[int], str, str | None]:
    with database.transaction():
        database.execute("set transaction isolation level repeatable read, read only")
        notes = load_notes(database, after, until)
    return notes.keys.get("issue", []), notes.position, notes.gap


@pytest.fixture
def writers(database_url: str) -> Iterator[list[psycopg.Connection[tuple[int]]]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(psycopg.connect(database_url))) for _ in range(4)]


def test_a_transaction_that_commits_late_is_found_though_its_number_is_lower(
    database: Database, writers: list[psycopg.Connection[tuple[int]]]
) -> None:
    start = load_position(database)
    early, late = writers[:2]
    early.execute(_NOTE, [1])
    late.execute(_NOTE, [2])
    late.commit()
    found, position, _ = read(database, start)
    assert found == [2]
    early.commit()
    found, position, _ = read(database, position)
    assert found == [1]
    assert read(database, position)[0] == []


def test_a_transaction_with_savepoints_is_found_once(
    database: Database, writers: list[psycopg.Connection[tuple[int]]]
) -> None:
    start = load_position(database)
    with writers[0].transaction():
        for number in (1, 2):
            with writers[0].transaction():
                writers[0].execute(_NOTE, [number])
        between, position, _ = read(database, start)
    found, position, _ = read(database, position)
    assert (between, found) == ([], [1, 2])
    assert read(database, position)[0] == []


@pytest.mark.parametrize("seed", range(5))
def test_whatever_commits_when_each_note_is_found_once_between_any_positions(
    database: Database, writers: list[psycopg.Connection[tuple[int]]], seed: int
) -> None:
    chance = random.Random(seed)
    start = position = load_position(database)
    written: dict[int, list[int]] = {index: [] for index in range(len(writers))}
    committed: list[int] = []
    found: list[int] = []
    positions = [start]
    for number in range(1, 120):
        index = chance.randrange(len(writers))
        match chance.choice(("write", "write", "commit", "rollback", "read", "read")):
            case "write":
                writers[index].execute(_NOTE, [number])
                written[index].append(number)
            case "commit":
                writers[index].commit()
                committed += written[index]
                written[index] = []
            case "rollback":
                writers[index].rollback()
                written[index] = []
            case _:
                fresh, position, gap = read(database, position)
                assert gap is None
                found += fresh
                positions.append(position)
    found += read(database, position)[0]
    assert Counter(found) == Counter(committed)
    # Who resumes from any of them finds what comes after it, in two steps as well as in one.
    middle = positions[len(positions) // 2]
    first, _, _ = read(database, start, middle)
    second, _, _ = read(database, middle)
    assert Counter(first + second) == Counter(committed)


def test_what_was_forgotten_is_a_gap_and_what_came_after_is_none(
    database: Database, writers: list[psycopg.Connection[tuple[int]]]
) -> None:
    start = load_position(database)
    writers[0].execute(_NOTE, [1])
    writers[0].commit()
    middle = load_position(database)
    assert database.execute("select forget_stream_notes('-1 second') as gone").fetchone() == {"gone": 1}
    assert read(database, start) == ([], load_position(database), "forgotten")
    writers[0].execute(_NOTE, [2])
    writers[0].commit()
    assert read(database, middle)[0] == [2]


def test_forgetting_nothing_is_no_gap(database: Database) -> None:
    start = load_position(database)
    database.execute("select forget_stream_notes('1 hour')")
    assert read(database, start)[2] is None


def test_a_position_of_another_database_is_a_gap(database: Database) -> None:
    assert read(database, f"{2**40 + 5}:{2**40 + 5}:")[2] == "unknown"


def test_notes_of_a_database_that_was_restored_elsewhere_are_not_found(database: Database) -> None:
    start = load_position(database)
    database.execute("insert into stream_notes (kind, subject_id, xid) values ('issue', 1, '1099511627776')")
    assert read(database, start)[0] == []


def test_more_notes_than_can_be_read_are_a_gap(database: Database) -> None:
    start = load_position(database)
    database.execute(
        "insert into stream_notes (kind, subject_id) select 'issue', n from generate_series(1, %s) n", [NOTES_MAX + 1]
    )
    assert read(database, start)[2] == "too-much"


def test_the_maintenance_worker_forgets_notes_of_an_hour_ago(
    database: Database, database_url: str, redis_url: str
) -> None:
    with cases.installed(database_url, redis_url):
        database.execute(
            "insert into stream_notes (kind, subject_id, noted_at) values ('issue', 1, now() - interval '2 hours'),"
            " ('issue', 2, now() - interval '1 minute')"
        )
        forget_notes()
    assert database.execute("select subject_id from stream_notes").fetchall() == [{"subject_id": 2}]
