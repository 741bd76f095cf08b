"""Judges a claim against what is stored and writes its conversion, in the order in which postbacks were received.

Two edge processes have two spools, so a chargeback can be stored before the conversion it takes back. Where a claim
turns out to be older than one that was judged already, all claims about the same conversion are judged again.
"""

from __future__ import annotations

from typing import NamedTuple

from tracking.events import PostbackOutcome
from worker.conversions import (
    displace,
    insert_conversion,
    load_click,
    load_known,
    rewrite_conversion,
    update_conversion,
)
from worker.database import Connection
from worker.matching import Claim, ClickFacts, Conversion, Decision, Known, decide, duplicate_key
from worker.postback_table import judged_claims, judged_later, save_decision


class _Replay(NamedTuple):
    """What claims in order lead to: the conversion, the claim that made it, and every decision."""

    conversion: Conversion | None
    made_by: Claim | None
    decisions: list[tuple[Claim, Decision]]


def judge(connection: Connection, claim: Claim) -> Decision | None:
    """Decide a locked claim and write its conversion, not its postback; None when its click is not stored yet."""
    click = load_click(connection, claim.click_id)
    if click is None:
        return None
    known = load_known(connection, claim, click)
    if _is_late(connection, claim, known):
        return _judge_in_order(connection, claim, click, known.by_key)
    decision = decide(claim, click, known)
    if decision.displaces is not None:
        displace(connection, decision.displaces)
    if decision.insert is not None:
        return decision._replace(conversion_id=insert_conversion(connection, claim, click, decision.insert))
    if decision.update is not None:
        update_conversion(connection, decision.update)
    return decision


def replay(claims: list[Claim], click: ClickFacts, stored: Conversion | None) -> _Replay:
    """Judge claims about one conversion in order. Pure. `stored` gives the conversion its id if it has one already."""
    state: Conversion | None = None
    made_by: Claim | None = None
    decisions = []
    for claim in claims:
        decision = decide(claim, click, Known(by_key=state))
        if decision.insert is not None:
            state, made_by = decision.insert, claim
            if stored is not None:
                state = state._replace(conversion_id=stored.conversion_id)
        elif decision.update is not None:
            state = decision.update
        decisions.append((claim, decision))
    return _Replay(state, made_by, decisions)


def _is_late(connection: Connection, claim: Claim, known: Known) -> bool:
    """Whether a claim received after this one, about the same conversion, was judged before it."""
    if duplicate_key(claim) is None or (known.by_key is not None and known.by_key.click_id != claim.click_id):
        return False
    return judged_later(connection, claim)


def _judge_in_order(connection: Connection, claim: Claim, click: ClickFacts, stored: Conversion | None) -> Decision:
    """Judge all claims about a conversion again, this one in its place; write what changed; return its decision."""
    claims = sorted([*judged_claims(connection, claim), claim], key=lambda each: each.received_at)
    played = replay(claims, click, stored)
    conversion_id = None if stored is None else stored.conversion_id
    if played.conversion is not None and played.made_by is not None:
        if stored is None:
            conversion_id = insert_conversion(connection, played.made_by, click, played.conversion)
        else:
            rewrite_conversion(connection, played.conversion, played.made_by.received_at)
    own = Decision(PostbackOutcome.REFUSED)
    for each, decision in played.decisions:
        final = decision._replace(conversion_id=conversion_id)
        if each.postback_id == claim.postback_id:
            own = final
        else:
            save_decision(connection, each.postback_id, final)
    return own
