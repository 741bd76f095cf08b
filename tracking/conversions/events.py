"""The closed lists of conversion events and statuses, and of postback outcomes and reasons."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """What a merchant may report about a click."""

    REGISTRATION = "registration"
    FTD = "ftd"
    DEPOSIT = "deposit"
    QUALIFIED = "qualified"
    REVENUE_SHARE = "revenue_share"
    CONVERSION = "conversion"


REPEATABLE_EVENTS = frozenset({Event.DEPOSIT, Event.REVENUE_SHARE})
REPEAT_WINDOW_S = 10


class ConversionStatus(StrEnum):
    """pending → approved | rejected; approved → reversed."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    REVERSED = "reversed"


LEGAL_TRANSITIONS = frozenset(
    {
        (ConversionStatus.PENDING, ConversionStatus.APPROVED),
        (ConversionStatus.PENDING, ConversionStatus.REJECTED),
        (ConversionStatus.APPROVED, ConversionStatus.REVERSED),
    }
)


class PostbackOutcome(StrEnum):
    """What the worker decided about a postback."""

    RECORDED = "recorded"
    TRANSITION = "transition"
    DUPLICATE = "duplicate"
    PARKED = "parked"
    REFUSED = "refused"


class PostbackReason(StrEnum):
    """Why a postback was refused, or has its outcome. Each is a metric label and a row of docs/postbacks.md."""

    BAD_BODY = "bad-body"
    BAD_FIELD = "bad-field"
    BAD_TOKEN = "bad-token"  # noqa: S105
    UNKNOWN_CLICK = "unknown-click"
    DUPLICATE = "duplicate"
    ORDER_OF_ANOTHER_CLICK = "order-of-another-click"
    ILLEGAL_TRANSITION = "illegal-transition"
    CLICK_OF_ANOTHER_MERCHANT = "click-of-another-merchant"
    CLICK_NOT_STORED_YET = "click-not-stored-yet"
    CLICK_DROPPED = "click-dropped"
    CLICK_EXPIRED = "click-expired"
    MANUAL_REVIEW = "manual-review"
    UNKNOWN_EVENT = "unknown-event"
    REPLACED = "replaced"
    OPERATOR_DECISION = "operator-decision"
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_REQUIRED = "token-required"  # noqa: S105
    TOO_LARGE = "too-large"
    AMBIGUOUS_CLICK = "ambiguous-click"
    BAD_SIGNATURE = "bad-signature"
    STALE_SIGNATURE = "stale-signature"
    REPLAYED = "replayed"
    ADDRESS_NOT_ALLOWED = "address-not-allowed"
    RATE_LIMITED = "rate-limited"
