"""The kinds of issues, each of which tells an operator what to look at. Each is a value of a filter, and a row of
docs/admin-api.md.
"""

from __future__ import annotations

from enum import StrEnum


class IssueKind(StrEnum):
    """What happened. There is one issue for each kind and subject, however often the same happens."""

    CORRECTED_POSTBACK = "corrected-postback"
    PARKED_POSTBACK = "parked-postback"
    DELIVERY_SUSPENDED = "delivery-suspended"
    RECONCILIATION_DIFFERENCE = "reconciliation-difference"
    RATE_MISSING = "rate-missing"
    RATES_STALE = "rates-stale"
    BOOKING_FAILED = "booking-failed"
    COUNTS_DIFFER = "counts-differ"
    REPORT_NOT_SENT = "report-not-sent"


class IssueState(StrEnum):
    """open → resolved by an operator, or by itself; resolved → open when it happens again."""

    OPEN = "open"
    RESOLVED = "resolved"
