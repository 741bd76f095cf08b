"""Finds what became visible in the database since a position. SQL only.

A position is a snapshot of PostgreSQL, as `pg_current_snapshot` writes it: it says of every transaction whether it was
visible then. So what commits late is found in the round after its commit, whatever its numbers are.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from admin_api.runtime import Database

# As PostgreSQL writes it. 2,000 characters hold 95 transactions in progress; more than that is no position of ours.
_POSITION = re.compile(r"[0-9]{1,20}:[0-9]{1,20}:([0-9]{1,20}(,[0-9]{1,20})*)?")
_POSITION_CHARACTERS_MAX = 2000
NOTES_MAX = 20_000
_NOW = "select pg_current_snapshot()::text as position"
_COMPARE = (
    "select pg_snapshot_xmax(%(after)s::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) as ahead,"
    " (select forgotten from stream_state) >= pg_snapshot_xmin(%(after)s::pg_snapshot) as forgotten"
)
_NOTES = (
    "select kind, subject_id, low, high, spool_id, first, past from stream_notes"
    " where xid >= pg_snapshot_xmin(%(after)s::pg_snapshot)"
    " and not pg_visible_in_snapshot(xid, %(after)s::pg_snapshot)"
    " and pg_visible_in_snapshot(xid, %(until)s::pg_snapshot)"
    " order by xid, note_id limit %(limit)s"
)


class Batch(NamedTuple):
    """A stored batch of clicks: its lowest and highest id, and its records, `past` not included."""

    low: UUID
    high: UUID
    spool_id: str
    first: int
    past: int


class Notes(NamedTuple):
    """What was stored between two positions, oldest first: the batches of clicks, and the keys of the others by kind.

    `gap` says why something may be missing: `forgotten`, `too-much`, `unknown`; None if nothing is.
    """

    position: str
    batches: list[Batch]
    keys: dict[str, list[int]]
    gap: str | None = None


def is_position(text: str) -> bool:
    """Whether a text can be a position."""
    if len(text) > _POSITION_CHARACTERS_MAX or _POSITION.fullmatch(text) is None:
        return False
    low, high, running = text.split(":")
    within = [int(low), *map(int, running.split(",") if running else []), int(high)]
    # PostgreSQL refuses others: 1 <= low <= each, ascending, < high; 64 bits.
    ascending = all(one < other for one, other in pairwise(within[1:]))
    return 1 <= within[0] <= within[1] and ascending and within[-1] < 1 << 63


def load_position(database: Database) -> str:
    """Return the position of the current transaction's snapshot."""
    row = database.execute(_NOW).fetchone()
    assert row is not None
    position: str = row["position"]
    return position


def load_notes(database: Database, after: str, until: str | None = None) -> Notes:
    """Return what became visible after one position and is visible at the other, which is now if it is None.

    Call it in a transaction that is repeatable read, so that all statements see what the position says.
    """
    position = until or load_position(database)
    if after == position:
        return Notes(position, [], {})
    compared: dict[str, Any] | None = database.execute(_COMPARE, {"after": after}).fetchone()
    assert compared is not None
    if compared["ahead"]:
        # Of another database, or of one that was restored from an older copy.
        return Notes(position, [], {}, "unknown")
    if compared["forgotten"]:
        return Notes(position, [], {}, "forgotten")
    rows = database.execute(_NOTES, {"after": after, "until": position, "limit": NOTES_MAX + 1}).fetchall()
    if len(rows) > NOTES_MAX:
        return Notes(position, [], {}, "too-much")
    keys: dict[str, list[int]] = {}
    for row in rows:
        if row["subject_id"] is not None:
            keys.setdefault(row["kind"], []).append(row["subject_id"])
    batches = [Batch(*(row[name] for name in Batch._fields)) for row in rows if row["kind"] == "clicks"]
    # What changed twice is shown once, as it is now.
    return Notes(position, batches, {kind: list(dict.fromkeys(found)) for kind, found in keys.items()})
