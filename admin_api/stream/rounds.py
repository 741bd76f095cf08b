"""One round of the stream: what became visible between two positions, and the bytes that each selection gets of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from admin_api.runtime import Database
from admin_api.stream.notes import load_notes
from admin_api.stream.rows import load_clicks, load_others
from admin_api.stream.selection import EventType, Facts, Selection

# Of the clicks that a selection takes, so many of a round are sent, the newest; of the others there is a count.
CLICKS_SHOWN = 25
# Who resumes gets more at once: it was away for many rounds.
CLICKS_SHOWN_RESUMED = 1000
_OTHERS = (EventType.CONVERSION, EventType.ENTRY, EventType.ISSUE)
GAP_WORDS = {
    "forgotten": "this position is older than what is kept",
    "too-much": "more was stored since than can be sent again",
    "unknown": "this is no position of this database",
}


def event_bytes(name: str, data: Facts, position: str | None = None) -> bytes:
    """Return one server-sent event."""
    # orjson writes no line ends, so the data is one line.
    ident = b"" if position is None else b"id: " + position.encode() + b"\n"
    return (
        b"event: " + name.encode() + b"\n" + ident + b"data: " + orjson.dumps(data, option=orjson.OPT_UTC_Z) + b"\n\n"
    )


def gap_bytes(reason: str, position: str) -> bytes:
    """Return the event that says that something is missing before it."""
    return event_bytes("gap", {"reason": reason, "detail": GAP_WORDS[reason]}, position)


@dataclass(slots=True)
class Round:
    """What became visible up to `position`. Clicks are newest first, others oldest first; `unread` is of each kind."""

    position: str
    clicks: Sequence[Facts] = ()
    others: Mapping[EventType, Sequence[Facts]] = field(default_factory=dict)
    unread: Mapping[EventType, int] = field(default_factory=dict)
    gap: str | None = None
    shown: int = CLICKS_SHOWN
    _made: dict[Selection, bytes] = field(default_factory=dict)
    _by_source: dict[int | None, list[Facts]] | None = None

    def bytes_for(self, selection: Selection) -> bytes:
        """Return the events that a selection gets, made once for all its viewers. Empty if there is none.

        The last event has the position, so that who loses the connection before gets all of the round again.
        """
        made = self._made.get(selection)
        if made is None:
            events = list(self._events(selection))
            made = (
                b"".join(
                    event_bytes(name, facts, self.position if last else None)
                    for (name, facts), last in zip(events, [*[False] * (len(events) - 1), True], strict=True)
                )
                if events
                else b""
            )
            if self.gap is not None:
                made = gap_bytes(self.gap, self.position) + made
            self._made[selection] = made
        return made

    def _events(self, selection: Selection) -> Iterator[tuple[str, Facts]]:
        if EventType.CLICK in selection.types:
            yield from self._click_events(selection)
        for kind, rows in self.others.items():
            for facts in rows:
                if selection.takes(kind, facts):
                    yield kind.value, selection.shown(kind, facts)
            if kind in selection.types and self.unread.get(kind):
                yield "summary", self._summary(kind, 0, selection)

    def _click_events(self, selection: Selection) -> Iterator[tuple[str, Facts]]:
        clicks = self.clicks if selection.source_id is None else self._clicks_of(selection.source_id)
        taken = [facts for facts in clicks if selection.takes(EventType.CLICK, facts)]
        for facts in reversed(taken[: self.shown]):
            yield EventType.CLICK.value, facts
        others = len(taken) - self.shown
        if others > 0 or self.unread.get(EventType.CLICK):
            yield "summary", self._summary(EventType.CLICK, max(others, 0), selection)

    def _clicks_of(self, source_id: int) -> Sequence[Facts]:
        # PERF: with hundreds of partners each looks at its own clicks only.
        if self._by_source is None:
            self._by_source = {}
            for facts in self.clicks:
                self._by_source.setdefault(facts["source_id"], []).append(facts)
        return self._by_source.get(source_id, [])

    def _summary(self, kind: EventType, others: int, selection: Selection) -> Facts:
        """Return what is not shown: `others` pass the selection; of `unread` nobody looked whether they do."""
        unread: int | None = self.unread.get(kind, 0)
        if selection.source_id is not None and unread:
            # SECURITY: how much everybody's traffic is together is not for partners.
            unread = None
        return {"type": kind.value, "others": others, "unread": unread}


def load_round(database: Database, after: str, until: str | None = None, shown: int = CLICKS_SHOWN) -> Round:
    """Return what became visible after a position, and is visible at another or now."""
    with database.transaction():
        database.execute("set transaction isolation level repeatable read, read only")
        database.execute("set local statement_timeout to '10s'")
        notes = load_notes(database, after, until)
        clicks = load_clicks(database, notes.batches)
        others: dict[EventType, Sequence[Any]] = {}
        unread = {EventType.CLICK: clicks.unexamined}
        for kind in _OTHERS:
            keys = notes.keys.get(kind.value, [])
            if keys:
                others[kind], unread[kind] = load_others(database, kind, keys)
    return Round(notes.position, clicks.rows, others, unread, notes.gap, shown)
