"""The trace of a click: everything that happened to it, in order. Each step has the details of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, create_model

from admin_api.clicks import is_dropped
from admin_api.event_log.click_steps import (
    ClickDecidedDetail,
    ClickRedirectedDetail,
    ClickRequestedDetail,
    ClickStoredDetail,
    click_steps,
)
from admin_api.event_log.conversion_steps import ConversionChangeDetail, change_key, conversion_steps
from admin_api.event_log.delivery_steps import (
    DeliveryAttemptedDetail,
    DeliveryEndedDetail,
    DeliveryPlannedDetail,
    delivery_steps,
)
from admin_api.event_log.issue_steps import IssueDetail, issue_steps
from admin_api.event_log.money_steps import (
    PayoutDecidedDetail,
    PayoutMadeDetail,
    PayoutPaidDetail,
    entry_step,
    payout_steps,
)
from admin_api.event_log.postback_steps import (
    PostbackCorrectedDetail,
    PostbackJudgedDetail,
    PostbackParkedDetail,
    PostbackReceivedDetail,
    PostbackReplayedDetail,
    postback_steps,
)
from admin_api.event_log.rows import CutTable, TraceRows, load_trace_rows
from admin_api.http import Shown
from admin_api.money import Entry
from admin_api.runtime import Database
from tracking.event_log import Step, StepKind, in_order, with_times

# The class of a step's details, by the kind of the step.
DETAILS: Mapping[StepKind, type[Shown]] = MappingProxyType(
    {
        StepKind.CLICK_REQUESTED: ClickRequestedDetail,
        StepKind.CLICK_DECIDED: ClickDecidedDetail,
        StepKind.CLICK_REDIRECTED: ClickRedirectedDetail,
        StepKind.CLICK_STORED: ClickStoredDetail,
        StepKind.POSTBACK_RECEIVED: PostbackReceivedDetail,
        StepKind.POSTBACK_CORRECTED: PostbackCorrectedDetail,
        StepKind.POSTBACK_PARKED: PostbackParkedDetail,
        StepKind.POSTBACK_JUDGED: PostbackJudgedDetail,
        StepKind.POSTBACK_REPLAYED: PostbackReplayedDetail,
        StepKind.CONVERSION_MADE: ConversionChangeDetail,
        StepKind.CONVERSION_CHANGED: ConversionChangeDetail,
        StepKind.ENTRY_APPENDED: Entry,
        StepKind.PAYOUT_MADE: PayoutMadeDetail,
        StepKind.PAYOUT_DECIDED: PayoutDecidedDetail,
        StepKind.PAYOUT_PAID: PayoutPaidDetail,
        StepKind.DELIVERY_PLANNED: DeliveryPlannedDetail,
        StepKind.DELIVERY_ATTEMPTED: DeliveryAttemptedDetail,
        StepKind.DELIVERY_ENDED: DeliveryEndedDetail,
        StepKind.ISSUE_OPENED: IssueDetail,
        StepKind.ISSUE_RESOLVED: IssueDetail,
    }
)


class TraceStep(Shown):
    """One thing that happened to a click."""

    at: datetime
    since_ms: float | None
    """Milliseconds since the step before; null for the first. A negative number means that two clocks differ."""
    summary: str
    """What happened, as a sentence."""


def _step_class(kind: StepKind, detail: type[Shown]) -> type[TraceStep]:
    name = "".join(word.capitalize() for word in kind.split("-")) + "Step"
    fields: Any = {"kind": (Literal[kind], ...), "detail": (detail, ...)}
    made: type[TraceStep] = create_model(name, __base__=TraceStep, __doc__=detail.__doc__, **fields)
    return made


_KINDS: Any = reduce(or_, (_step_class(kind, detail) for kind, detail in DETAILS.items()))
AnyStep = Annotated[_KINDS, Field(discriminator="kind")]


class Trace(Shown):
    """Everything that happened to a click, in order. No step comes before the step that led to it."""

    click_id: UUID
    stored: bool
    """Whether the click itself is stored. It is false while only its postbacks are stored."""
    dropped: bool
    """Whether the click was dropped by retention: it was older than clicks are kept."""
    cut: list[CutTable]
    """The tables that have more than 1,000 rows about this click; only the first 1,000 of each are shown."""
    steps: list[AnyStep]


def load_trace(database: Database, click_id: UUID) -> Trace | None:
    """Return a click's trace, or None if nothing is stored. Without the click itself, it lacks the request."""
    rows = load_trace_rows(database, click_id)
    if rows.click is None and not rows.postbacks and not rows.conversions:
        return None
    return Trace(
        click_id=click_id,
        stored=rows.click is not None,
        dropped=rows.click is None and is_dropped(database, click_id),
        cut=rows.cut,
        steps=with_times(in_order(steps_of(rows))),
    )


def steps_of(rows: TraceRows) -> list[Step]:
    """Return everything that happened to a click, in no particular order."""
    change_keys = {change["change_id"]: change_key(change) for change in rows.changes}
    return [
        *(() if rows.click is None else click_steps(rows.click)),
        *postback_steps(rows),
        *conversion_steps(rows),
        *(entry_step(entry, change_keys.get(entry["change_id"])) for entry in rows.entries),
        *(step for payout in rows.payouts for step in payout_steps(payout)),
        *delivery_steps(rows, change_keys),
        *(step for issue in rows.issues for step in issue_steps(issue)),
    ]
