"""Decides a claim against what is stored and writes its conversion, in the order in which postbacks were received.

Two edge processes have two spools, so a chargeback can be stored before the conversion that it reverses. When a claim
turns out to be older than one that was decided before it, all claims about the same conversion are decided again. An
operator's decision about the conversion counts from the moment it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tracking.conversions import ConversionStatus, PostbackOutcome, PostbackReason
from worker.conversions import (
    Claim,
    ClickFacts,
    Context,
    Conversion,
    Decision,
    EventType,
    Known,
    OperatorDecision,
    attribute_changes,
    change_conversion,
    decide,
    displace,
    duplicate_key,
    insert_conversion,
    load_click,
    load_known,
    load_operator_decisions,
    withdraw,
)
from worker.postbacks.table import decided_claims, decided_later, save_decisions
from worker.runtime import Connection

# SECURITY: a late claim is decided together with all other claims about its conversion. Without a limit, a visitor
# who reports one click a thousand times through two edge processes keeps a worker busy for minutes (measured: 48 s for
# 500 postbacks). Beyond these numbers of claims, they count in the order in which they are stored. A merchant, who
# authenticates, has room for a real history; nobody else needs more than a few.
REORDERED_MAX = 1000
REORDERED_UNAUTHENTICATED_MAX = 50


class History(NamedTuple):
    """The result of claims decided in order: the conversion, the claim that made it, and the decision on each claim."""

    conversion: Conversion | None
    made_by: Claim | None
    decisions: list[tuple[Claim, Decision]]


def process_claim(connection: Connection, claim: Claim, context: Context) -> Decision | None:
    """Decide a locked claim and write its conversion, but not its postback; None if its click is not stored yet."""
    click = load_click(connection, claim.click_id, context)
    if click is None and context.is_dropped(claim.click_id):
        return Decision(PostbackOutcome.REFUSED, PostbackReason.CLICK_DROPPED.value)
    if click is None:
        return None
    event_type = context.event_types.get(claim.event)
    known = load_known(connection, claim, click, context)
    if event_type is not None and _is_late(connection, claim, known, event_type):
        limit = REORDERED_MAX if claim.authenticated else REORDERED_UNAUTHENTICATED_MAX
        others = decided_claims(connection, claim, limit + 1)
        if len(others) <= limit:
            history = decide_again(connection, [*others, claim], click, known.by_key, context)
            return save_history(connection, claim, history, click, known.by_key, context)
    decision = decide(claim, click, known, event_type)
    if decision.insert is None and decision.update is None:
        return decision
    attribute_changes(connection, claim, context)
    if decision.displaces is not None:
        displace(connection, decision.displaces)
    if decision.insert is not None:
        return decision._replace(conversion_id=insert_conversion(connection, claim, click, decision.insert, context))
    if decision.update is not None and known.by_key is not None:
        change_conversion(connection, known.by_key, decision.update)
    return decision


def decide_again(
    connection: Connection, claims: Sequence[Claim], click: ClickFacts, stored: Conversion | None, context: Context
) -> History:
    """Decide all claims about one conversion, stored or not, in the order in which they were received."""
    event_type = context.event_types.get(claims[0].event)
    decided: list[OperatorDecision] = []
    if stored is not None and stored.conversion_id is not None:
        decided = load_operator_decisions(connection, stored.conversion_id)
    if event_type is not None:
        event_type, click = as_decided(event_type, click, stored, by_operator=bool(decided))
    in_order = sorted(claims, key=lambda each: each.received_at)
    return decide_in_order(in_order, click, stored, event_type, decided)


def save_history(
    connection: Connection,
    claim: Claim,
    history: History,
    click: ClickFacts,
    stored: Conversion | None,
    context: Context,
) -> Decision:
    """Write the conversion and all postbacks of `history` but that of `claim`; return the decision on `claim`."""
    conversion_id = None if stored is None else stored.conversion_id
    if history.conversion is not None and history.made_by is not None:
        attribute_changes(connection, claim, context)
        if stored is None:
            conversion_id = insert_conversion(connection, history.made_by, click, history.conversion, context)
        else:
            change_conversion(connection, stored, history.conversion, history.made_by.received_at)
        _save_others(connection, claim, history, conversion_id)
    return _own(claim, history)._replace(conversion_id=conversion_id)


def withdraw_history(
    connection: Connection, claim: Claim, history: History, conversion_id: UUID, context: Context
) -> Decision | None:
    """Withdraw a conversion that no claim makes any more; return the decision on `claim`, which caused this."""
    attribute_changes(connection, claim, context)
    withdraw(connection, conversion_id)
    _save_others(connection, claim, history, None)
    return _own(claim, history)


def as_decided(
    event_type: EventType, click: ClickFacts, stored: Conversion | None, *, by_operator: bool
) -> tuple[EventType, ClickFacts]:
    """Return an event type and a click with the rules by which a stored conversion was decided. Pure.

    A conversion that was approved automatically is not put under review when its event type now asks for one. Nor does
    it expire when the profile now has fewer days. A conversion under review stays there until an operator decides.
    """
    if stored is None:
        return event_type, click
    if stored.reason == PostbackReason.MANUAL_REVIEW:
        event_type = event_type._replace(manual=True)
    elif not by_operator and stored.status in (ConversionStatus.APPROVED, ConversionStatus.REVERSED):
        event_type = event_type._replace(manual=False)
    if stored.reason != PostbackReason.CLICK_EXPIRED:
        click = click._replace(expiry_days=0)
    return event_type, click


def decide_in_order(
    claims: Sequence[Claim],
    click: ClickFacts,
    stored: Conversion | None,
    event_type: EventType | None,
    by_operator: Sequence[OperatorDecision] = (),
) -> History:
    """Decide claims about one conversion one after another, with the operators' decisions in between. Pure.

    The conversion gets the id of `stored`, if there is one.
    """
    state: Conversion | None = None
    made_by: Claim | None = None
    decisions = []
    waiting = list(by_operator)
    for claim in claims:
        state = _after_operator(state, waiting, claim.received_at)
        decision = decide(claim, click, Known(by_key=state), event_type)
        if decision.insert is not None:
            state, made_by = decision.insert, claim
            if stored is not None:
                state = state._replace(conversion_id=stored.conversion_id)
        elif decision.update is not None:
            state = decision.update
        decisions.append((claim, decision))
    return History(_after_operator(state, waiting, None), made_by, decisions)


def _after_operator(
    state: Conversion | None, waiting: list[OperatorDecision], until: datetime | None
) -> Conversion | None:
    """Apply the operators' decisions made before `until`, or all if it is None, to a conversion and return it.

    The applied decisions are removed from `waiting`.
    """
    while state is not None and waiting and (until is None or waiting[0].decided_at < until):
        decided = waiting.pop(0)
        if decided.sets_status:
            state = state._replace(status=decided.status, reason=decided.reason)
        if decided.sets_amount:
            state = state._replace(payout_minor=decided.payout_minor, currency=decided.currency)
    return state


def _own(claim: Claim, history: History) -> Decision:
    return next(decision for each, decision in history.decisions if each.postback_id == claim.postback_id)


def _save_others(connection: Connection, claim: Claim, history: History, conversion_id: UUID | None) -> None:
    """Write the decisions on all postbacks except that of `claim`, which the caller writes."""
    others = [
        (each.postback_id, decision._replace(conversion_id=conversion_id))
        for each, decision in history.decisions
        if each.postback_id != claim.postback_id
    ]
    save_decisions(connection, others)


def _is_late(connection: Connection, claim: Claim, known: Known, event_type: EventType) -> bool:
    """Whether a claim received after this one, about the same conversion, was decided before it."""
    if duplicate_key(claim, event_type) is None:
        return False
    if known.by_key is not None and known.by_key.click_id != claim.click_id:
        return False
    return decided_later(connection, claim)
