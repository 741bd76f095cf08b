"""Decides a stored postback again as it is parsed now, and undoes what the earlier parsing led to.

A decision stands as long as the postback is parsed the same, so replaying a postback that counted changes nothing. The
one exception is a conversion that was rejected because its click had expired: the profile's days may have changed.
"""

from __future__ import annotations

from tracking.conversions import PostbackOutcome, PostbackReason
from worker.conversions import (
    Claim,
    Context,
    Conversion,
    Decision,
    attribute_changes,
    change_conversion,
    duplicate_key,
    is_expired,
    load_click,
    load_conversion,
    withdraw,
)
from worker.postbacks.processing import decide_again, process_claim, save_history, withdraw_history
from worker.postbacks.reparsing import FINAL_REASONS, SETTLED, Reparsed, StoredPostback
from worker.postbacks.replay_table import save_reparsed, save_unreadable
from worker.postbacks.table import claim_nonce, decided_claims, save_decision, save_decisions, save_replayed
from worker.runtime import Connection


def reprocess(connection: Connection, stored: StoredPostback, parsed: Reparsed, context: Context) -> str | None:
    """Decide a postback that was parsed again, and write the result. If it must stay as it is, return a note why.

    The caller has locked its claims, both the stored and the new one.
    """
    settled = stored.outcome in SETTLED
    if stored.reason in FINAL_REASONS and not settled:
        return f"what was refused as {stored.reason} stays so: send it anew"
    if stored.erased:
        return "its request was erased, so it cannot be read again"
    if parsed.claim is None:
        if settled:
            return f"it counted, and stays so although it can no longer be read: {parsed.detail}"
        save_unreadable(connection, stored.postback_id, parsed)
        return None
    if settled and stored.claim == parsed.claim:
        _look_again(connection, parsed.claim, stored, context)
        return None
    if not settled and not claim_nonce(connection, stored.nonce, stored.origin):
        save_replayed(connection, stored.postback_id)
        return None
    save_reparsed(connection, stored.postback_id, parsed)
    if settled and stored.claim is not None:
        decision = _replace(connection, stored, stored.claim, parsed.claim, context)
    else:
        decision = process_claim(connection, parsed.claim, context)
    if decision is None:
        decision = Decision(PostbackOutcome.PARKED, PostbackReason.CLICK_NOT_STORED_YET.value)
    save_decision(connection, stored.postback_id, decision)
    return None


def _look_again(connection: Connection, claim: Claim, stored: StoredPostback, context: Context) -> None:
    """Decide a conversion again that was rejected because its click had expired, if the click is now valid."""
    conversion = _conversion_of(connection, stored)
    click = load_click(connection, claim.click_id, context)
    if conversion is None or click is None or conversion.reason != PostbackReason.CLICK_EXPIRED:
        return
    if is_expired(click, claim.received_at):
        return
    if _key(claim, context) is not None:
        claims = [*decided_claims(connection, claim), claim]
        history = decide_again(connection, claims, click, conversion, context)
        decision = save_history(connection, claim, history, click, conversion, context)
        save_decision(connection, claim.postback_id, decision)
    elif stored.outcome == PostbackOutcome.RECORDED:
        history = decide_again(connection, [claim], click, conversion, context)
        if history.conversion is not None:
            attribute_changes(connection, claim, context)
            change_conversion(connection, conversion, history.conversion, claim.received_at)
        decision = history.decisions[0][1]._replace(conversion_id=stored.conversion_id)
        save_decision(connection, claim.postback_id, decision)


def _replace(
    connection: Connection, stored: StoredPostback, old: Claim, new: Claim, context: Context
) -> Decision | None:
    """Decide the new claim of a postback in place of its old one."""
    conversion = _conversion_of(connection, stored)
    about_the_same = (old.click_id, old.event, old.order_id) == (new.click_id, new.event, new.order_id)
    is_keyed = _key(old, context) is not None
    if conversion is not None and is_keyed and about_the_same:
        return _replace_in_place(connection, new, conversion, context)
    if conversion is not None:
        _retract(connection, old, conversion, is_maker=stored.outcome == PostbackOutcome.RECORDED, context=context)
    return process_claim(connection, new, context)


def _replace_in_place(connection: Connection, new: Claim, conversion: Conversion, context: Context) -> Decision | None:
    """Decide a claim that is about the same conversion as before, but says something else about it."""
    assert conversion.conversion_id is not None
    click = load_click(connection, new.click_id, context)
    if click is None:
        return None
    claims = [*decided_claims(connection, new), new]
    history = decide_again(connection, claims, click, conversion, context)
    # A deleted event type refuses every claim, but that must not withdraw a conversion.
    if history.conversion is None and new.event in context.event_types:
        return withdraw_history(connection, new, history, conversion.conversion_id, context)
    return save_history(connection, new, history, click, conversion, context)


def _retract(connection: Connection, old: Claim, conversion: Conversion, *, is_maker: bool, context: Context) -> None:
    """Bring a conversion to the state it would have if one of the claims about it had never come."""
    assert conversion.conversion_id is not None
    click = load_click(connection, old.click_id, context)
    others = decided_claims(connection, old) if _key(old, context) is not None else []
    if click is not None and others:
        history = decide_again(connection, others, click, conversion, context)
        made = history.conversion is not None
        kept_id = conversion.conversion_id if made else None
        decisions = [
            (each.postback_id, decision._replace(conversion_id=kept_id)) for each, decision in history.decisions
        ]
        save_decisions(connection, decisions)
        if history.conversion is not None and history.made_by is not None:
            attribute_changes(connection, old, context)
            change_conversion(connection, conversion, history.conversion, history.made_by.received_at)
            return
    if others or is_maker:
        attribute_changes(connection, old, context)
        withdraw(connection, conversion.conversion_id)


def _conversion_of(connection: Connection, stored: StoredPostback) -> Conversion | None:
    return None if stored.conversion_id is None else load_conversion(connection, stored.conversion_id)


def _key(claim: Claim, context: Context) -> str | None:
    return duplicate_key(claim, context.event_types.get(claim.event))
