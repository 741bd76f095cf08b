"""Folds clicks into the roll-ups: those of noted batches, those stored before roll-ups were kept, and changes of both.

RACE: a fold is one repeatable-read transaction. A change that commits after its snapshot keeps its rows, and they count
from then on, since its batch is noted no more. One that committed before is read in the click itself, so the rows that
it left are thrown away with the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from config.settings import ReportSettings
from tracking.reports import CLICK_MEASURES, GROUPS, RollupGroup, clicks_table
from worker.reports.state import State, alone, load_state
from worker.reports.statements import (
    DAY,
    FOLDED,
    HOUR,
    MAKE_CLICKS,
    MAKE_NARROW,
    build_levels,
    fold_clicks,
    forget_empty,
    listed,
    measured,
    narrow_clicks,
)
from worker.runtime import Connection, log

# PERF: a click takes 9 microseconds of the processor in a turn of 50,000, and 14 in one of 10,000.
CLICKS_AT_ONCE = 50_000
CHANGES_AT_ONCE = 50_000
# A batch waits until it is settled, which changes some of its clicks, but not long: each report reads what waits.
UNSETTLED_S = 5.0
_WIDE = listed(FOLDED)
_INTO = f"insert into folding_clicks (hour, day, {_WIDE}, {listed(CLICK_MEASURES)})"
_AT = f"{HOUR.format(moment='clicked_at')}, {DAY.format(moment='clicked_at')}"
_READY = (
    "select q.queue_id, q.past - q.first from report_queue q where q.spool_id is not null"
    " and (q.noted_at < now() - make_interval(secs => %(unsettled_s)s) or not exists (select from settling s"
    " where s.spool_id = q.spool_id and s.first <= q.first and q.past <= s.past))"
    " order by q.queue_id limit 1000"
)
_RANGE = "select queue_id, low::text, high::text from report_queue where spool_id is null order by queue_id limit 1"
_PIECE_END = (
    "select click_id::text from clicks where click_id >= %(low)s and click_id <= %(high)s"
    " order by click_id offset %(most)s limit 1"
)
_ADD_BATCHES = f"{_INTO} select {_AT}, {_WIDE}, {measured()} from report_queued_clicks where queue_id = any(%(taken)s)"  # noqa: S608
_ADD_PIECE = (
    f"{_INTO} select {_AT}, {_WIDE}, {measured()} from report_click_rows r"  # noqa: S608
    " where click_id >= %(low)s and click_id <= %(high)s and click_id <> %(end)s and exists"
    " (select from report_marks m where m.spool_id = r.spool_id and m.numbers @> r.spool_number)"
)
_OF_BATCH = (
    "exists (select from report_queue q where {taken} q.spool_id = c.spool_id and c.spool_number >= q.first"
    " and c.spool_number < q.past)"
)
_MARKED = "exists (select from report_marks m where m.spool_id = c.spool_id and m.numbers @> c.spool_number)"
_OF_RANGE = (
    "exists (select from report_queue q where q.spool_id is null and c.click_id >= q.low and c.click_id <= q.high)"
    f" and {_MARKED}"
)
_ADD_CHANGES = (
    "with counted as (delete from report_click_changes where change_id in"  # noqa: S608
    " (select c.change_id from report_click_changes c"
    f" where not {_OF_BATCH.format(taken='')} and not ({_OF_RANGE}) order by c.change_id limit %(most)s) returning *)"
    f" {_INTO} select {_AT}, {_WIDE}, {measured('sign')} from counted"
)
_DISCARD_BATCHES = (
    "delete from report_click_changes c where " + _OF_BATCH.format(taken="q.queue_id = any(%(taken)s) and")  # noqa: S608
)
_DISCARD_PIECE = (
    "delete from report_click_changes c where click_id >= %(low)s and click_id <= %(high)s and click_id <> %(end)s"  # noqa: S608
    f" and {_MARKED}"
)
_DONE_BATCHES = (
    "delete from report_recent where queue_id = any(%(taken)s)",
    "delete from report_queue where queue_id = any(%(taken)s)",
)
_DONE_PIECE = "update report_queue set low = %(end)s where queue_id = %(queue_id)s"
_DONE_RANGE = ("delete from report_queue where queue_id = %(queue_id)s", "delete from report_marks")
_DAYS = "select min(day), max(day) from folding_clicks"
_NO_ID = "00000000-0000-0000-0000-000000000000"
_DROP_DAY = "delete from {} where level = 1 and block = %(day)s"
_GAP = (
    "insert into report_gaps (grp, day) values (%(grp)s, %(day)s)",
    "delete from report_days where grp = %(grp)s and day = %(day)s",
)
_LOSSES = f"select exists (select from folding_clicks where least({listed(CLICK_MEASURES)}) < 0)"  # noqa: S608
_FEWER_KEYS = "update report_days set keys = keys - 1 where grp = %s and day = %s"


@dataclass(frozen=True, slots=True)
class Turn:
    """How much a transaction folds. Batches that are not settled wait for `unsettled_s` seconds after their commit."""

    settings: ReportSettings
    now_s: float
    clicks: int = CLICKS_AT_ONCE
    changes: int = CHANGES_AT_ONCE
    unsettled_s: float = UNSETTLED_S


def fold_some_clicks(connection: Connection, turn: Turn) -> int | None:
    """Fold what waits longest, in a transaction of its own; return how many rows, None if nothing waits.

    Returns None too while another process folds.
    """
    with alone(connection) as mine:
        if not mine:
            return None
        state = load_state(connection, turn.settings, turn.now_s)
        connection.execute(MAKE_CLICKS)
        zone = {"zone": state.time_zone}
        rows = connection.execute(_ADD_CHANGES, {**zone, "most": turn.changes}, prepare=False).rowcount
        taken = _ready(connection, turn)
        if taken:
            rows += connection.execute(_ADD_BATCHES, {**zone, "taken": taken}, prepare=False).rowcount
            connection.execute(_DISCARD_BATCHES, {"taken": taken})
            for statement in _DONE_BATCHES:
                connection.execute(statement, {"taken": taken})
        piece = None if taken else _take_piece(connection, turn, zone)
        rows += piece or 0
        if rows:
            add_folding(connection, state, turn.settings)
        return rows if rows or taken or piece is not None else None


def _ready(connection: Connection, turn: Turn) -> list[int]:
    """Return the batches to fold, at least one if there are any."""
    taken: list[int] = []
    records = 0
    for queue_id, size in connection.execute(_READY, {"unsettled_s": turn.unsettled_s}):
        if taken and records + size > turn.clicks:
            break
        taken.append(queue_id)
        records += size
    return taken


def _take_piece(connection: Connection, turn: Turn, zone: dict[str, str]) -> int | None:
    """Add the oldest clicks of those stored before roll-ups were kept; return how many, None if all are folded."""
    row = connection.execute(_RANGE).fetchone()
    if row is None:
        return None
    queue_id, low, high = row
    piece = {**zone, "low": low, "high": high, "most": turn.clicks, "queue_id": queue_id, "end": _NO_ID}
    found = connection.execute(_PIECE_END, piece, prepare=False).fetchone()
    if found is not None:
        piece |= {"high": found[0], "end": found[0]}
    rows = connection.execute(_ADD_PIECE, piece, prepare=False).rowcount
    connection.execute(_DISCARD_PIECE, piece)
    for statement in (_DONE_PIECE,) if found is not None else _DONE_RANGE:
        connection.execute(statement, piece)
    return rows


def add_folding(connection: Connection, state: State, settings: ReportSettings) -> None:
    """Add what stands in folding_clicks to every roll-up, in the caller's transaction, which is alone."""
    connection.execute(MAKE_NARROW)
    connection.execute(narrow_clicks())
    first = connection.execute(_DAYS).fetchone()
    late = bool(first and first[0] is not None and first[0] < state.built_day)
    for group in GROUPS:
        values = {"hours_from": state.hours_from, "built_day": state.built_day, "grp": group.name}
        changed = connection.execute(fold_clicks(group, late=late), values)
        if group.limited:
            for day, keys in changed.fetchall():
                if keys > settings.values_max:
                    leave_out(connection, state, group, day)
    if any(lost for (lost,) in connection.execute(_LOSSES)):
        _forget_empty(connection)


def _forget_empty(connection: Connection) -> None:
    for group in GROUPS:
        if group.limited:
            for level, block in connection.execute(forget_empty(group, clicks_table(group), "folding_clicks")):
                if level == 1:
                    connection.execute(_FEWER_KEYS, [group.name, block])


def leave_out(connection: Connection, state: State, group: RollupGroup, day: int) -> None:
    """Take a day out of a group, at every level, in the caller's transaction: it has too many keys."""
    values = {"grp": group.name, "day": day, "sign": -1}
    table = clicks_table(group)
    if day < state.built_day:
        connection.execute(build_levels(table, group.columns, CLICK_MEASURES), values)
    connection.execute(_DROP_DAY.format(table), values)
    for statement in _GAP:
        connection.execute(statement, values)
    log("report-gap", group=group.name, day=day)
