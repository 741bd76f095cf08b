"""Judges a stored postback again, as it reads today, and undoes what it did by an earlier reading.

What a postback decided stands while it reads the same, so that a replay of what counted changes nothing; but a
conversion that was rejected for its click's age is looked at again, since the profile's days may have changed.
"""

from __future__ import annotations

from tracking.conversions import PostbackOutcome, PostbackReason
from worker.conversions import (
    Claim,
    Conversion,
    Decision,
    Terms,
    attribute_changes,
    change_conversion,
    duplicate_key,
    is_expired,
    load_click,
    load_conversion,
    withdraw,
)
from worker.postbacks.processing import judge, judge_in_order, retrace
from worker.postbacks.reparsing import FINAL_REASONS, SETTLED, Reading, StoredPostback
from worker.postbacks.replay_table import save_reading, save_unreadable
from worker.postbacks.table import claim_nonce, judged_claims, save_decision, save_replayed
from worker.runtime import Connection


def rejudge(connection: Connection, stored: StoredPostback, reading: Reading, terms: Terms) -> str | None:
    """Write what a postback is by its new reading; return why it stays as it was, where that needs saying.

    The claims of both readings must be locked.
    """
    settled = stored.outcome in SETTLED
    if stored.reason in FINAL_REASONS and not settled:
        return f"what was refused as {stored.reason} stays so: send it anew"
    if reading.claim is None:
        if settled:
            return f"it counted, and stays so although it can no longer be read: {reading.detail}"
        save_unreadable(connection, stored.postback_id, reading)
        return None
    if settled and stored.claim == reading.claim:
        _look_again(connection, reading.claim, stored, terms)
        return None
    if not settled and not claim_nonce(connection, stored.nonce, stored.origin):
        save_replayed(connection, stored.postback_id)
        return None
    save_reading(connection, stored.postback_id, reading)
    if settled and stored.claim is not None:
        decision = _replace(connection, stored, stored.claim, reading.claim, terms)
    else:
        decision = judge(connection, reading.claim, terms)
    if decision is None:
        decision = Decision(PostbackOutcome.PARKED, PostbackReason.CLICK_NOT_STORED_YET.value)
    save_decision(connection, stored.postback_id, decision)
    return None


def _look_again(connection: Connection, claim: Claim, stored: StoredPostback, terms: Terms) -> None:
    """Judge a conversion anew that was rejected as of an expired click, if the click is not expired any more."""
    conversion = _conversion_of(connection, stored)
    click = load_click(connection, claim.click_id)
    if conversion is None or click is None or conversion.reason != PostbackReason.CLICK_EXPIRED:
        return
    if is_expired(click, claim.received_at):
        return
    if _key(claim, terms) is not None:
        save_decision(connection, claim.postback_id, judge_in_order(connection, claim, click, conversion, terms))
    elif stored.outcome == PostbackOutcome.RECORDED:
        course = retrace(connection, [claim], click, conversion, terms)
        if course.conversion is not None:
            attribute_changes(connection, claim, terms)
            change_conversion(connection, conversion, course.conversion, claim.received_at)
        save_decision(
            connection, claim.postback_id, course.decisions[0][1]._replace(conversion_id=stored.conversion_id)
        )


def _replace(connection: Connection, stored: StoredPostback, old: Claim, new: Claim, terms: Terms) -> Decision | None:
    """Judge a claim in the place of what its postback was taken for."""
    conversion = _conversion_of(connection, stored)
    about_the_same = (old.click_id, old.event, old.order_id) == (new.click_id, new.event, new.order_id)
    is_keyed = _key(old, terms) is not None
    if conversion is not None and is_keyed and about_the_same:
        click = load_click(connection, new.click_id)
        return None if click is None else judge_in_order(connection, new, click, conversion, terms)
    if conversion is not None:
        _retract(connection, old, conversion, is_maker=stored.outcome == PostbackOutcome.RECORDED, terms=terms)
    return judge(connection, new, terms)


def _retract(connection: Connection, old: Claim, conversion: Conversion, *, is_maker: bool, terms: Terms) -> None:
    """Leave a conversion as if one of the claims about it had never come."""
    assert conversion.conversion_id is not None
    click = load_click(connection, old.click_id)
    others = judged_claims(connection, old) if _key(old, terms) is not None else []
    if click is not None and others:
        course = retrace(connection, others, click, conversion, terms)
        made = course.conversion is not None
        for claim, decision in course.decisions:
            final = decision._replace(conversion_id=conversion.conversion_id if made else None)
            save_decision(connection, claim.postback_id, final)
        if course.conversion is not None and course.made_by is not None:
            attribute_changes(connection, old, terms)
            change_conversion(connection, conversion, course.conversion, course.made_by.received_at)
            return
    if others or is_maker:
        attribute_changes(connection, old, terms)
        withdraw(connection, conversion.conversion_id)


def _conversion_of(connection: Connection, stored: StoredPostback) -> Conversion | None:
    return None if stored.conversion_id is None else load_conversion(connection, stored.conversion_id)


def _key(claim: Claim, terms: Terms) -> str | None:
    return duplicate_key(claim, terms.event_types.get(claim.event))
