"""Decides what a postback does: from a claim, its click and what is stored already to one decision. Pure.

A *claim* is what a postback says. Its status is compared with the one that the conversion's last postback sent
(`status_sent`), so that the same words are a duplicate even if their effect was another, as under review.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from tracking.conversions import LEGAL_TRANSITIONS, ConversionStatus, PostbackOutcome, PostbackReason

EXPIRY_DAYS_DEFAULT = 30
# The account of a conversion whose link is gone and whose postback names none. No account has this number.
NO_MERCHANT = 0


class EventType(NamedTuple):
    """An event type: whether it counts again for the same click, and whether an operator approves it."""

    repeatable: bool
    manual: bool


class Claim(NamedTuple):
    """What a postback says; null is what it does not say. `event` names an event type, `status` is the word as sent,
    `merchant_id` is the token's account.
    """

    postback_id: UUID
    received_at: datetime
    click_id: UUID
    event: str
    order_id: str | None
    status: ConversionStatus | None
    payout_minor: int | None
    currency: str | None
    merchant_id: int | None
    authenticated: bool


class ClickFacts(NamedTuple):
    """A claim's click, with the account its link was of and its profile's expiry; null where link or profile is gone.

    `token_required` says that the account wants every postback authenticated. No expiry days mean never.
    `current_merchant_id` is the account that the link is of today, which may be another.
    """

    click_id: UUID
    clicked_at: datetime
    link_id: int
    merchant_id: int | None
    expiry_days: int | None
    token_required: bool = False
    ip: str | None = None
    current_merchant_id: int | None = None
    destination_id: int | None = None
    country: str | None = None


class Conversion(NamedTuple):
    """A stored conversion, or one to store. `status_sent` is the word of the postback that last made or changed it.

    `reason` is a PostbackReason, or what the operator who changed it gave as a reason.
    """

    conversion_id: UUID | None
    click_id: UUID
    status: ConversionStatus
    reason: str | None
    status_sent: ConversionStatus | None
    payout_minor: int | None
    currency: str | None
    authenticated: bool


class Known(NamedTuple):
    """What is stored already: the conversion under the claim's duplicate key, or an identical one of the same time."""

    by_key: Conversion | None = None
    identical_id: UUID | None = None


class Decision(NamedTuple):
    """The outcome, the conversion to insert or update, and the one that it displaces: that gives up its key first."""

    outcome: PostbackOutcome
    reason: str | None = None
    conversion_id: UUID | None = None
    insert: Conversion | None = None
    update: Conversion | None = None
    displaces: UUID | None = None


def merchant_of(claim: Claim, click: ClickFacts) -> int:
    """Return the account a conversion belongs to: the link's when the click was made, else the token's.

    A link may have been of the wrong account, or be of another one by now: a token of either counts.
    """
    if click.merchant_id is None:
        return claim.merchant_id if claim.merchant_id is not None else NO_MERCHANT
    if claim.merchant_id is not None and claim.merchant_id == click.current_merchant_id:
        return claim.merchant_id
    return click.merchant_id


def duplicate_key(claim: Claim, event_type: EventType | None) -> str | None:
    """Return the key under which an account has one conversion; None for an event that counts each time."""
    if claim.order_id:
        return f"order:{claim.event}:{claim.order_id}"
    if event_type is None or not event_type.repeatable:
        return f"once:{claim.event}:{claim.click_id}"
    return None


def decide(claim: Claim, click: ClickFacts, known: Known, event_type: EventType | None) -> Decision:
    """Decide a claim whose click is stored. A claim whose event type is gone is refused."""
    if event_type is None:
        return _refused(PostbackReason.UNKNOWN_EVENT)
    if claim.merchant_id is not None and claim.merchant_id != merchant_of(claim, click):
        return _refused(PostbackReason.CLICK_OF_ANOTHER_MERCHANT)
    if known.identical_id is not None:
        return Decision(PostbackOutcome.DUPLICATE, PostbackReason.DUPLICATE, known.identical_id)
    existing = known.by_key
    if existing is None:
        return _new(claim, click, event_type)
    if existing.click_id != claim.click_id:
        return _order_of_another_click(claim, click, existing, event_type)
    if claim.authenticated and not existing.authenticated:
        return _confirmed(claim, click, existing, event_type)
    return _changed(claim, existing, event_type)


def is_expired(click: ClickFacts, received_at: datetime) -> bool:
    """Whether a click was too old, by its profile as it is today, when a postback about it was received."""
    expiry_days = EXPIRY_DAYS_DEFAULT if click.expiry_days is None else click.expiry_days
    return expiry_days > 0 and received_at - click.clicked_at > timedelta(days=expiry_days)


def _new(claim: Claim, click: ClickFacts, event_type: EventType) -> Decision:
    if claim.status is ConversionStatus.REVERSED:
        return _refused(PostbackReason.ILLEGAL_TRANSITION)
    conversion = _first(claim, click, event_type)
    return Decision(PostbackOutcome.RECORDED, conversion.reason, insert=conversion)


def _first(claim: Claim, click: ClickFacts, event_type: EventType) -> Conversion:
    """Return the conversion that a claim makes when there is none yet."""
    status = claim.status or ConversionStatus.APPROVED
    reason = None
    if not claim.authenticated:
        status = ConversionStatus.PENDING
        reason = PostbackReason.TOKEN_REQUIRED if click.token_required else PostbackReason.UNAUTHENTICATED
    elif event_type.manual and status is ConversionStatus.APPROVED:
        status, reason = ConversionStatus.PENDING, PostbackReason.MANUAL_REVIEW
    if is_expired(click, claim.received_at):
        status, reason = ConversionStatus.REJECTED, PostbackReason.CLICK_EXPIRED
    currency = claim.currency if claim.payout_minor is not None else None
    return Conversion(
        None, claim.click_id, status, reason, claim.status, claim.payout_minor, currency, claim.authenticated
    )


def _order_of_another_click(claim: Claim, click: ClickFacts, existing: Conversion, event_type: EventType) -> Decision:
    if not claim.authenticated or existing.authenticated or claim.status is ConversionStatus.REVERSED:
        return _refused(PostbackReason.ORDER_OF_ANOTHER_CLICK, existing.conversion_id)
    # SECURITY: order ids can be guessed and every visitor knows a click id, so an unauthenticated report must not keep
    # the account's own report of that order from counting.
    return _new(claim, click, event_type)._replace(displaces=existing.conversion_id)


def _confirmed(claim: Claim, click: ClickFacts, existing: Conversion, event_type: EventType) -> Decision:
    """The account itself reports what an unauthenticated postback reported before: it counts as if it came first."""
    if claim.status is ConversionStatus.REVERSED:
        return _refused(PostbackReason.ILLEGAL_TRANSITION, existing.conversion_id)
    first = _first(claim, click, event_type)
    if first.payout_minor is None:
        first = first._replace(payout_minor=existing.payout_minor, currency=existing.currency)
    if existing.reason == PostbackReason.CLICK_EXPIRED:
        first = first._replace(status=existing.status, reason=existing.reason)
    update = first._replace(conversion_id=existing.conversion_id)
    return Decision(PostbackOutcome.TRANSITION, update.reason, existing.conversion_id, update=update)


def _changed(claim: Claim, existing: Conversion, event_type: EventType) -> Decision:
    amount = (existing.payout_minor, existing.currency)
    if claim.payout_minor is not None:
        amount = (claim.payout_minor, claim.currency)
    new_amount = amount != (existing.payout_minor, existing.currency)
    status = existing.status
    # No word, or the same one as the last time, leaves the status. The conversion of an expired click stays rejected.
    expired = existing.reason == PostbackReason.CLICK_EXPIRED and claim.status is not ConversionStatus.REVERSED
    if claim.status is not None and claim.status is not existing.status_sent and not expired:
        status = claim.status
    if status is existing.status and not new_amount:
        return Decision(PostbackOutcome.DUPLICATE, PostbackReason.DUPLICATE, existing.conversion_id)
    if not claim.authenticated and (existing.authenticated or status is ConversionStatus.APPROVED):
        return _refused(PostbackReason.UNAUTHENTICATED, existing.conversion_id)
    reason = existing.reason if status is existing.status else None
    if event_type.manual and (existing.status, status) == (ConversionStatus.PENDING, ConversionStatus.APPROVED):
        status, reason = ConversionStatus.PENDING, PostbackReason.MANUAL_REVIEW
    elif existing.reason == PostbackReason.MANUAL_REVIEW and status is ConversionStatus.REVERSED:
        # The merchant approved it, and it is only held here. What the merchant takes back must not be approved later.
        status = ConversionStatus.REJECTED
    if status is not existing.status and (existing.status, status) not in LEGAL_TRANSITIONS:
        return _refused(PostbackReason.ILLEGAL_TRANSITION, existing.conversion_id)
    update = existing._replace(
        status=status,
        reason=reason,
        status_sent=claim.status or existing.status_sent,
        payout_minor=amount[0],
        currency=amount[1],
    )
    held = reason if reason == PostbackReason.MANUAL_REVIEW else None
    return Decision(PostbackOutcome.TRANSITION, held, existing.conversion_id, update=update)


def _refused(reason: PostbackReason, conversion_id: UUID | None = None) -> Decision:
    return Decision(PostbackOutcome.REFUSED, reason, conversion_id)
