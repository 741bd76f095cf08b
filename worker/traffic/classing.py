"""The task that classes stored clicks anew after a list changed: day by day, the newest first.

A transaction does a few thousand clicks, with how far the run is and what it counted: a process may be killed anywhere.
Lists that change meanwhile end the run, and another one begins.
"""

from __future__ import annotations

from collections import Counter

from tracking.traffic import TrafficClass, TrafficLists
from worker.runtime import Connection, log, resources
from worker.traffic.changes import Change, apply_changes, use_indexes
from worker.traffic.lists import load_lists
from worker.traffic.queue import ALONE, note_changes
from worker.traffic.runs import Run, StoredClick, begin_run, end_run, load_clicks, next_day, save_step

CLICKS_AT_ONCE = 5000
# A person's click, so far. What it is among others is found again by settling.
_PERSONAL = frozenset({TrafficClass.VALID, TrafficClass.DUPLICATE, TrafficClass.RATE})
# Of these the request itself is the reason, not a list.
_LASTING = frozenset({TrafficClass.HEAD, TrafficClass.PREFETCH})


def class_again() -> None:
    """Class anew what was classed by other lists or is asked for, as far as one turn goes."""
    used = resources.current()
    goes_on = used.turn()
    while goes_on() and used.database.run(class_some):
        pass


def class_some(connection: Connection) -> bool:
    """Do one step in a transaction; return whether there may be another."""
    with connection.transaction():
        connection.execute(ALONE)
        lists = load_lists(connection)
        run = begin_run(connection, lists.version)
        if run is None:
            return False
        if run.lists != lists.version:
            end_run(connection, run.run_id, "superseded")
            return True
        day = run.day or next_day(connection, run)
        if day is None:
            end_run(connection, run.run_id, "done")
            log("classed-again", run=run.run_id, changed=run.changed)
            return False
        clicks = load_clicks(connection, day, run.after_id, CLICKS_AT_ONCE)
        _class_clicks(connection, run._replace(day=day), clicks, lists)
        return True


def own_class(click: StoredClick, lists: TrafficLists) -> TrafficClass:
    """Return the class that a stored click has by itself, `valid` for every person's."""
    stored = TrafficClass(click.kind)
    # Nothing is left of an erased click that a list could be asked about.
    if stored in _LASTING or click.erased:
        return stored
    # Lists are asked about agents as they arrived.
    if lists.is_bot(click.user_agent.encode().decode("latin-1")):
        return TrafficClass.BOT
    before = stored is TrafficClass.DATACENTER
    datacenter = lists.was_datacenter(click.ip, click.asn or 0, click.anonymous or "", before)
    return TrafficClass.DATACENTER if datacenter else TrafficClass.VALID


def _class_clicks(connection: Connection, run: Run, clicks: list[StoredClick], lists: TrafficLists) -> None:
    before, after, changes = Counter[str](), Counter[str](), []
    for click in clicks:
        own = own_class(click, lists)
        same = own == click.kind or (own is TrafficClass.VALID and click.kind in _PERSONAL)
        before[click.kind] += 1
        after[click.kind if same else own.value] += 1
        if not same:
            change = (click.kind, click.is_unique, own.value, own is TrafficClass.VALID)
            changes.append(Change(click.click_id, click.day, click.link_id, *change))
    use_indexes(connection)
    changed = apply_changes(connection, changes)
    if changes:
        note_changes(connection, changes[0].click_id, changes[-1].click_id)
    last_id = clicks[-1].click_id if len(clicks) == CLICKS_AT_ONCE else None
    save_step(connection, run, last_id, changed, {kind: (before[kind], after[kind]) for kind in before | after})
