"""Issues: what an operator should look at, by kind. A closed list that is also a filter and the rows of a table in
docs/admin-api.md.
"""

from __future__ import annotations

from enum import StrEnum


class IssueKind(StrEnum):
    """What happened. The subject, one issue each, is chosen so that one cause is one issue, however often it acts."""

    CORRECTED_POSTBACK = "corrected-postback"
    PARKED_POSTBACK = "parked-postback"
    DELIVERY_SUSPENDED = "delivery-suspended"
    RECONCILIATION_DIFFERENCE = "reconciliation-difference"
    RATE_MISSING = "rate-missing"
    BOOKING_FAILED = "booking-failed"


class IssueState(StrEnum):
    """open → resolved by an operator; resolved → open when it happens again."""

    OPEN = "open"
    RESOLVED = "resolved"
