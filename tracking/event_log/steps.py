"""The steps of a click's life, in one order: a step comes after its cause, whatever their clocks say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

_ONE_MS = timedelta(milliseconds=1)


class StepKind(StrEnum):
    """What happened. A closed list, in the order in which one thing leads to the next; docs/event-log.md has them."""

    CLICK_REQUESTED = "click-requested"
    CLICK_DECIDED = "click-decided"
    CLICK_REDIRECTED = "click-redirected"
    CLICK_STORED = "click-stored"
    POSTBACK_RECEIVED = "postback-received"
    POSTBACK_CORRECTED = "postback-corrected"
    POSTBACK_PARKED = "postback-parked"
    POSTBACK_JUDGED = "postback-judged"
    POSTBACK_REPLAYED = "postback-replayed"
    CONVERSION_MADE = "conversion-made"
    CONVERSION_CHANGED = "conversion-changed"
    ENTRY_APPENDED = "entry-appended"
    PAYOUT_MADE = "payout-made"
    PAYOUT_DECIDED = "payout-decided"
    PAYOUT_PAID = "payout-paid"
    DELIVERY_PLANNED = "delivery-planned"
    DELIVERY_ATTEMPTED = "delivery-attempted"
    DELIVERY_ENDED = "delivery-ended"
    ISSUE_OPENED = "issue-opened"
    ISSUE_RESOLVED = "issue-resolved"


_RANKS = {kind: rank for rank, kind in enumerate(StepKind)}
# A step's place among those of one moment: the ranks and sequences of its causes, from the first one on, and its own.
_Path = tuple[tuple[datetime, int, int], ...]


class Step(NamedTuple):
    """One thing that happened. `key` names it, `after` the step that led to it; `summary` is a sentence.

    `detail` is all that is known about it; each kind of step declares its own. `sequence` orders steps of one kind that
    happened in the same moment.
    """

    kind: StepKind
    at: datetime
    key: str
    summary: str
    detail: Any
    after: str | None = None
    sequence: int = 0


def in_order(steps: Sequence[Step]) -> list[Step]:
    """Return steps in the order in which they happened.

    The times come from the clocks of several machines, so a step is never placed before its cause. Of the steps of one
    moment, such as those of one transaction, those with the same cause are together.
    """
    by_key = {step.key: step for step in steps}
    places: dict[str, tuple[datetime, _Path]] = {}

    def place(step: Step) -> tuple[datetime, _Path]:
        known = places.get(step.key)
        if known is not None:
            return known
        # If a chain of causes is a circle, it ends at the step that it began with.
        places[step.key] = (step.at, ())
        cause = by_key.get(step.after) if step.after is not None else None
        earliest, path = place(cause) if cause is not None else (step.at, ())
        moment = max(step.at, earliest)
        places[step.key] = (moment, (*path, (moment, _RANKS[step.kind], step.sequence)))
        return places[step.key]

    return sorted(steps, key=place)


def with_times(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return ordered steps as they are shown, each with the milliseconds since the one before.

    A negative number means that two clocks differ.
    """
    shown = []
    before: datetime | None = None
    for step in steps:
        since_ms = None if before is None else round((step.at - before) / _ONE_MS, 3)
        shown.append(
            {
                "at": step.at,
                "since_ms": since_ms,
                "kind": step.kind,
                "summary": step.summary,
                "detail": step.detail,
            }
        )
        before = step.at
    return shown
