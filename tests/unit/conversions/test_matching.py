"""The judge of postbacks, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tracking.conversions import ConversionStatus, PostbackOutcome, PostbackReason
from worker.conversions import Claim, ClickFacts, Conversion, Decision, EventType, Known, duplicate_key, matching
from worker.conversions.matching import NO_MERCHANT, merchant_of

CLICKED_AT = datetime(2026, 3, 1, tzinfo=UTC)
CLICK = ClickFacts(uuid4(), CLICKED_AT, 5, 1, 30)
PENDING, APPROVED, REJECTED, REVERSED = ConversionStatus
ONCE, REPEATABLE, MANUAL = EventType(False, False), EventType(True, False), EventType(False, True)


def decide(said: Claim, click: ClickFacts, known: Known, event_type: EventType = ONCE) -> Decision:
    """Judge a claim of an event type that counts once and approves by itself, where nothing else is said."""
    return matching.decide(said, click, known, event_type)


def claim(**changes: Any) -> Claim:
    made = Claim(uuid4(), CLICKED_AT + timedelta(hours=1), CLICK.click_id, "ftd", "A-1", None, 2500, "USD", 1, True)
    return made._replace(**changes)


def anonymous(**changes: Any) -> Claim:
    return claim(merchant_id=None, authenticated=False, **changes)


def stored(decision: Decision, conversion_id: UUID | None = None) -> Conversion:
    """Return the conversion as it stands after a decision."""
    made = decision.insert or decision.update
    assert made is not None
    return made._replace(conversion_id=made.conversion_id or conversion_id or uuid4())


def after(*claims: Claim, event_type: EventType = ONCE) -> Conversion:
    """Return the conversion that these claims leave, each of which must have been taken."""
    known = None
    for each in claims:
        known = stored(decide(each, CLICK, Known(known), event_type))
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("word", "status"), [(None, APPROVED), *[(word, word) for word in (APPROVED, PENDING, REJECTED)]]
)
def test_a_new_authenticated_conversion_has_the_status_sent_else_approved(
    word: ConversionStatus | None, status: ConversionStatus
) -> None:
    decision = decide(claim(status=word), CLICK, Known())
    assert (decision.outcome, decision.reason) == (PostbackOutcome.RECORDED, None)
    assert stored(decision).status is status


@pytest.mark.parametrize("word", [None, APPROVED, PENDING, REJECTED])
def test_a_new_unauthenticated_conversion_is_pending_whatever_it_says(word: ConversionStatus | None) -> None:
    decision = decide(anonymous(status=word), CLICK, Known())
    assert (decision.outcome, decision.reason) == (PostbackOutcome.RECORDED, PostbackReason.UNAUTHENTICATED)
    assert stored(decision).status is PENDING


def test_an_account_that_wants_tokens_gets_unauthenticated_conversions_pending_and_marked() -> None:
    decision = decide(anonymous(status=APPROVED), CLICK._replace(token_required=True), Known())
    assert (decision.outcome, decision.reason) == (PostbackOutcome.RECORDED, PostbackReason.TOKEN_REQUIRED)
    assert stored(decision).status is PENDING
    assert decide(claim(), CLICK._replace(token_required=True), Known()).reason is None


def test_reversing_what_was_never_recorded_is_refused() -> None:
    decision = decide(claim(status=REVERSED), CLICK, Known())
    assert (decision.outcome, decision.reason) == (PostbackOutcome.REFUSED, PostbackReason.ILLEGAL_TRANSITION)


def test_an_expired_click_makes_a_rejected_conversion_and_its_repeat_is_a_duplicate() -> None:
    for late in (
        claim(received_at=CLICKED_AT + timedelta(days=30, seconds=1), status=APPROVED),
        claim(received_at=CLICKED_AT + timedelta(days=31)),
    ):
        decision = decide(late, CLICK, Known())
        assert (decision.outcome, decision.reason) == (PostbackOutcome.RECORDED, PostbackReason.CLICK_EXPIRED)
        assert stored(decision).status is REJECTED
        assert decide(late, CLICK, Known(stored(decision))).outcome is PostbackOutcome.DUPLICATE
        approved = late._replace(status=APPROVED)
        assert decide(approved, CLICK, Known(stored(decision))).outcome is PostbackOutcome.DUPLICATE


def test_a_conversion_made_in_time_may_be_approved_after_the_click_expired() -> None:
    late = claim(received_at=CLICKED_AT + timedelta(days=60), status=APPROVED)
    assert stored(decide(late, CLICK, Known(after(claim(status=PENDING))))).status is APPROVED


def test_a_profile_that_is_gone_leaves_thirty_days() -> None:
    late = claim(received_at=CLICKED_AT + timedelta(days=31))
    assert decide(late, CLICK._replace(expiry_days=None), Known()).reason is PostbackReason.CLICK_EXPIRED


def test_a_click_of_another_merchant_is_refused() -> None:
    decision = decide(claim(merchant_id=2), CLICK, Known())
    assert (decision.outcome, decision.reason) == (PostbackOutcome.REFUSED, PostbackReason.CLICK_OF_ANOTHER_MERCHANT)


def test_without_a_link_the_token_names_the_merchant() -> None:
    orphan = CLICK._replace(merchant_id=None)
    assert merchant_of(claim(merchant_id=2), orphan) == 2
    assert merchant_of(anonymous(), orphan) == NO_MERCHANT


LEGAL = {(PENDING, APPROVED), (PENDING, REJECTED), (APPROVED, REVERSED)}


@pytest.mark.parametrize("old", [PENDING, APPROVED, REJECTED])
@pytest.mark.parametrize("new", list(ConversionStatus))
def test_status_changes_are_transitions_where_legal_duplicates_where_equal_and_refused_elsewhere(
    old: ConversionStatus, new: ConversionStatus
) -> None:
    existing = after(claim(status=old))
    decision = decide(claim(status=new), CLICK, Known(existing))
    if old is new:
        assert (decision.outcome, decision.reason) == (PostbackOutcome.DUPLICATE, PostbackReason.DUPLICATE)
    elif (old, new) in LEGAL:
        assert decision.outcome is PostbackOutcome.TRANSITION
        assert stored(decision).status is new
    else:
        assert (decision.outcome, decision.reason) == (PostbackOutcome.REFUSED, PostbackReason.ILLEGAL_TRANSITION)
    assert decision.conversion_id == existing.conversion_id


@pytest.mark.parametrize("new", list(ConversionStatus))
def test_nothing_follows_a_reversal(new: ConversionStatus) -> None:
    existing = after(claim(status=APPROVED), claim(status=REVERSED))
    assert decide(claim(status=new), CLICK, Known(existing)).update is None


@pytest.mark.parametrize("status", [PENDING, REJECTED, APPROVED])
def test_saying_nothing_about_the_status_changes_nothing(status: ConversionStatus) -> None:
    existing = after(claim(status=status))
    assert decide(claim(), CLICK, Known(existing)).outcome is PostbackOutcome.DUPLICATE
    assert decide(claim(payout_minor=None, currency=None), CLICK, Known(existing)).outcome is PostbackOutcome.DUPLICATE


@pytest.mark.parametrize("change", [{"payout_minor": 2600}, {"currency": "EUR"}])
def test_another_amount_with_the_same_status_is_a_transition(change: dict[str, Any]) -> None:
    decision = decide(claim(**change), CLICK, Known(after(claim())))
    assert decision.outcome is PostbackOutcome.TRANSITION
    assert stored(decision).status is APPROVED
    assert stored(decision)._asdict().items() >= change.items()


def test_an_order_of_another_click_is_refused() -> None:
    decision = decide(claim(), CLICK, Known(after(claim())._replace(click_id=uuid4())))
    assert (decision.outcome, decision.reason) == (PostbackOutcome.REFUSED, PostbackReason.ORDER_OF_ANOTHER_CLICK)


def test_an_authenticated_order_displaces_an_unauthenticated_one_of_another_click() -> None:
    squatter = after(anonymous())._replace(click_id=uuid4())
    decision = decide(claim(), CLICK, Known(squatter))
    assert (decision.outcome, decision.displaces) == (PostbackOutcome.RECORDED, squatter.conversion_id)
    assert decide(anonymous(), CLICK, Known(squatter)).reason is PostbackReason.ORDER_OF_ANOTHER_CLICK


def test_an_authenticated_report_confirms_an_unauthenticated_one() -> None:
    for first in (anonymous(), anonymous(status=APPROVED)):
        decision = decide(claim(), CLICK, Known(after(first)))
        assert decision.outcome is PostbackOutcome.TRANSITION
        made = stored(decision)
        assert (made.status, made.authenticated, made.reason) == (APPROVED, True, None)


def test_an_unauthenticated_postback_never_approves_and_never_changes_an_authenticated_conversion() -> None:
    for existing, said in (
        (after(anonymous()), anonymous(status=APPROVED)),
        (after(claim(status=PENDING)), anonymous(status=APPROVED)),
        (after(claim(status=PENDING)), anonymous(status=REJECTED)),
        (after(claim()), anonymous(status=REVERSED)),
        (after(claim()), anonymous(payout_minor=1)),
    ):
        decision = decide(said, CLICK, Known(existing))
        assert (decision.outcome, decision.reason) == (PostbackOutcome.REFUSED, PostbackReason.UNAUTHENTICATED)


@pytest.mark.parametrize("word", [None, APPROVED, PENDING])
def test_the_same_unauthenticated_postback_again_is_a_duplicate(word: ConversionStatus | None) -> None:
    said = anonymous(status=word)
    assert decide(said, CLICK, Known(after(said))).outcome is PostbackOutcome.DUPLICATE


def test_an_identical_one_within_the_window_is_a_duplicate_of_it() -> None:
    twin = uuid4()
    decision = decide(claim(event="deposit", order_id=None), CLICK, Known(identical_id=twin))
    assert (decision.outcome, decision.conversion_id) == (PostbackOutcome.DUPLICATE, twin)


def test_the_key_is_the_order_else_once_a_click_else_none() -> None:
    assert duplicate_key(claim(), ONCE) == "order:ftd:A-1"
    assert duplicate_key(claim(order_id=None), ONCE) == f"once:ftd:{CLICK.click_id}"
    assert duplicate_key(claim(order_id=None, event="deposit"), REPEATABLE) is None
    assert duplicate_key(claim(order_id=None, event="spin"), REPEATABLE) is None
    assert duplicate_key(claim(event="deposit"), REPEATABLE) == "order:deposit:A-1"


def test_an_event_type_that_is_gone_refuses_its_postbacks() -> None:
    decision = matching.decide(claim(event="spin"), CLICK, Known(), None)
    assert (decision.outcome, decision.reason) == (PostbackOutcome.REFUSED, PostbackReason.UNKNOWN_EVENT)
    assert duplicate_key(claim(event="spin", order_id=None), None) == f"once:spin:{CLICK.click_id}"


@pytest.mark.parametrize("word", [None, APPROVED])
def test_what_an_operator_is_to_review_stays_pending_whatever_the_merchant_says(word: ConversionStatus | None) -> None:
    first = decide(claim(status=word), CLICK, Known(), MANUAL)
    assert (first.outcome, first.reason) == (PostbackOutcome.RECORDED, PostbackReason.MANUAL_REVIEW)
    held = stored(first)
    assert (held.status, held.reason) == (PENDING, PostbackReason.MANUAL_REVIEW)
    again = decide(claim(status=word), CLICK, Known(held), MANUAL)
    assert again.outcome is PostbackOutcome.DUPLICATE


def test_approving_what_the_merchant_held_itself_puts_it_under_review_once() -> None:
    pending = after(claim(status=PENDING), event_type=MANUAL)
    assert (pending.status, pending.reason) == (PENDING, None)
    decision = decide(claim(status=APPROVED), CLICK, Known(pending), MANUAL)
    assert (decision.outcome, decision.reason) == (PostbackOutcome.TRANSITION, PostbackReason.MANUAL_REVIEW)
    held = stored(decision)
    assert (held.status, held.status_sent, held.reason) == (PENDING, APPROVED, PostbackReason.MANUAL_REVIEW)
    assert decide(claim(status=APPROVED), CLICK, Known(held), MANUAL).outcome is PostbackOutcome.DUPLICATE
    dearer = decide(claim(status=APPROVED, payout_minor=9900), CLICK, Known(held), MANUAL)
    assert (stored(dearer).status, stored(dearer).payout_minor) == (PENDING, 9900)


def test_what_the_merchant_rejects_or_takes_back_needs_no_review() -> None:
    assert after(claim(status=REJECTED), event_type=MANUAL).status is REJECTED
    held = after(claim(status=APPROVED), event_type=MANUAL)
    assert stored(decide(claim(status=REJECTED), CLICK, Known(held), MANUAL)).status is REJECTED
    taken_back = stored(decide(claim(status=REVERSED), CLICK, Known(held), MANUAL))
    assert (taken_back.status, taken_back.status_sent, taken_back.reason) == (REJECTED, REVERSED, None)
    assert decide(claim(status=REVERSED), CLICK, Known(taken_back), MANUAL).outcome is PostbackOutcome.DUPLICATE


def test_an_unauthenticated_postback_cannot_put_anything_under_review() -> None:
    waiting = after(anonymous(), event_type=MANUAL)
    assert waiting.reason == PostbackReason.UNAUTHENTICATED
    decision = decide(anonymous(status=APPROVED), CLICK, Known(waiting), MANUAL)
    assert (decision.outcome, decision.reason) == (PostbackOutcome.REFUSED, PostbackReason.UNAUTHENTICATED)
    confirmed = stored(decide(claim(), CLICK, Known(waiting), MANUAL))
    assert (confirmed.status, confirmed.reason) == (PENDING, PostbackReason.MANUAL_REVIEW)


def test_what_the_operator_approved_stays_so_when_the_merchant_says_it_again() -> None:
    ruled = after(claim(), event_type=MANUAL)._replace(status=APPROVED, reason="looked-at")
    for word in (None, APPROVED):
        assert decide(claim(status=word), CLICK, Known(ruled), MANUAL).outcome is PostbackOutcome.DUPLICATE
    reversed_ = stored(decide(claim(status=REVERSED), CLICK, Known(ruled), MANUAL))
    assert (reversed_.status, reversed_.reason) == (REVERSED, None)
