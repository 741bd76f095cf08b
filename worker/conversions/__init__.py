"""Conversions: decides what a postback does to one, and writes it."""

from __future__ import annotations

from worker.conversions.changes import Change, lock_unbooked, mark_booked
from worker.conversions.context import Cause, Context, load_context
from worker.conversions.matching import (
    Claim,
    ClickFacts,
    Conversion,
    Decision,
    EventType,
    Known,
    decide,
    duplicate_key,
    is_expired,
)
from worker.conversions.table import (
    OperatorDecision,
    attribute_changes,
    change_conversion,
    displace,
    insert_conversion,
    load_click,
    load_conversion,
    load_known,
    load_operator_decisions,
    lock_claims,
    withdraw,
)

__all__ = [
    "Cause",
    "Change",
    "Claim",
    "ClickFacts",
    "Context",
    "Conversion",
    "Decision",
    "EventType",
    "Known",
    "OperatorDecision",
    "attribute_changes",
    "change_conversion",
    "decide",
    "displace",
    "duplicate_key",
    "insert_conversion",
    "is_expired",
    "load_click",
    "load_context",
    "load_conversion",
    "load_known",
    "load_operator_decisions",
    "lock_claims",
    "lock_unbooked",
    "mark_booked",
    "withdraw",
]
