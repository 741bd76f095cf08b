"""Judges a claim against what is stored and writes its conversion, in the order in which postbacks were received.

Two edge processes have two spools, so a chargeback can be stored before the conversion it takes back. Where a claim
turns out to be older than one that was judged already, all claims about the same conversion are judged again, and what
operators decided about it in between counts from when they did.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from tracking.conversions import ConversionStatus, PostbackOutcome, PostbackReason
from worker.conversions import (
    Claim,
    ClickFacts,
    Conversion,
    Decision,
    EventType,
    Known,
    Ruling,
    Terms,
    attribute_changes,
    change_conversion,
    decide,
    displace,
    duplicate_key,
    insert_conversion,
    load_click,
    load_known,
    load_rulings,
)
from worker.postbacks.table import judged_claims, judged_later, save_decision
from worker.runtime import Connection


class Course(NamedTuple):
    """What claims in order lead to: the conversion, the claim that made it, and every decision."""

    conversion: Conversion | None
    made_by: Claim | None
    decisions: list[tuple[Claim, Decision]]


def judge(connection: Connection, claim: Claim, terms: Terms) -> Decision | None:
    """Decide a locked claim and write its conversion, not its postback; None when its click is not stored yet."""
    click = load_click(connection, claim.click_id)
    if click is None:
        return None
    event_type = terms.event_types.get(claim.event)
    known = load_known(connection, claim, click, terms)
    if event_type is not None and _is_late(connection, claim, known, event_type):
        return judge_in_order(connection, claim, click, known.by_key, terms)
    decision = decide(claim, click, known, event_type)
    if decision.insert is None and decision.update is None:
        return decision
    attribute_changes(connection, claim, terms)
    if decision.displaces is not None:
        displace(connection, decision.displaces)
    if decision.insert is not None:
        return decision._replace(conversion_id=insert_conversion(connection, claim, click, decision.insert, terms))
    if decision.update is not None and known.by_key is not None:
        change_conversion(connection, known.by_key, decision.update)
    return decision


def judge_in_order(
    connection: Connection, claim: Claim, click: ClickFacts, stored: Conversion | None, terms: Terms
) -> Decision:
    """Judge all claims about a conversion again, this one in its place; write what changed; return its decision."""
    claims = [*judged_claims(connection, claim), claim]
    course = retrace(connection, claims, click, stored, terms)
    conversion_id = None if stored is None else stored.conversion_id
    if course.conversion is not None and course.made_by is not None:
        attribute_changes(connection, claim, terms)
        if stored is None:
            conversion_id = insert_conversion(connection, course.made_by, click, course.conversion, terms)
        else:
            change_conversion(connection, stored, course.conversion, course.made_by.received_at)
    own = Decision(PostbackOutcome.REFUSED)
    for each, decision in course.decisions:
        final = decision._replace(conversion_id=conversion_id)
        if each.postback_id == claim.postback_id:
            own = final
        elif course.conversion is not None:
            save_decision(connection, each.postback_id, final)
    return own


def retrace(
    connection: Connection, claims: Sequence[Claim], click: ClickFacts, stored: Conversion | None, terms: Terms
) -> Course:
    """Return what claims about one conversion, stored or not, lead to in the order in which they were received."""
    event_type = terms.event_types.get(claims[0].event)
    rulings: list[Ruling] = []
    if stored is not None and stored.conversion_id is not None:
        rulings = load_rulings(connection, stored.conversion_id)
    if event_type is not None:
        event_type, click = as_decided(event_type, click, stored, is_ruled=bool(rulings))
    in_order = sorted(claims, key=lambda each: each.received_at)
    return replay(in_order, click, stored, event_type, rulings)


def as_decided(
    event_type: EventType, click: ClickFacts, stored: Conversion | None, *, is_ruled: bool
) -> tuple[EventType, ClickFacts]:
    """Return an event type and a click as a stored conversion was decided by them. Pure.

    What was approved by itself is not put under review because its event type is now, nor expired because the profile's
    days are now fewer; what was held under review stays there until an operator decides.
    """
    if stored is None:
        return event_type, click
    if stored.reason == PostbackReason.MANUAL_REVIEW:
        event_type = event_type._replace(manual=True)
    elif not is_ruled and stored.status in (ConversionStatus.APPROVED, ConversionStatus.REVERSED):
        event_type = event_type._replace(manual=False)
    if stored.reason != PostbackReason.CLICK_EXPIRED:
        click = click._replace(expiry_days=0)
    return event_type, click


def replay(
    claims: Sequence[Claim],
    click: ClickFacts,
    stored: Conversion | None,
    event_type: EventType | None,
    rulings: Sequence[Ruling] = (),
) -> Course:
    """Judge claims about one conversion in order, with the rulings about it. Pure.

    `stored` gives the conversion its id if it has one already.
    """
    state: Conversion | None = None
    made_by: Claim | None = None
    decisions = []
    waiting = list(rulings)
    for claim in claims:
        state = _ruled(state, waiting, claim.received_at)
        decision = decide(claim, click, Known(by_key=state), event_type)
        if decision.insert is not None:
            state, made_by = decision.insert, claim
            if stored is not None:
                state = state._replace(conversion_id=stored.conversion_id)
        elif decision.update is not None:
            state = decision.update
        decisions.append((claim, decision))
    return Course(_ruled(state, waiting, None), made_by, decisions)


def _ruled(state: Conversion | None, waiting: list[Ruling], until: datetime | None) -> Conversion | None:
    """Return a conversion after the rulings made before `until`, or all that are left; they are waiting no longer."""
    while state is not None and waiting and (until is None or waiting[0].decided_at < until):
        ruling = waiting.pop(0)
        if ruling.sets_status:
            state = state._replace(status=ruling.status, reason=ruling.reason)
        if ruling.sets_amount:
            state = state._replace(payout_minor=ruling.payout_minor, currency=ruling.currency)
    return state


def _is_late(connection: Connection, claim: Claim, known: Known, event_type: EventType) -> bool:
    """Whether a claim received after this one, about the same conversion, was judged before it."""
    if duplicate_key(claim, event_type) is None:
        return False
    if known.by_key is not None and known.by_key.click_id != claim.click_id:
        return False
    return judged_later(connection, claim)
