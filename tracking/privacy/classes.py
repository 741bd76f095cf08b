"""The classes of data that are kept for a number of days, each with its default. Pure.

Conversions, their changes, entries, payouts and daily counts belong to no class: they are kept for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

RETENTION_DAYS_MAX = 36_500


class RetentionClass(StrEnum):
    """A class of data. docs/privacy.md has them."""

    CLICKS = "clicks"
    POSTBACKS = "postbacks"
    DELIVERIES = "deliveries"
    ATTEMPTS = "attempts"
    NONCES = "nonces"
    JUDGEMENTS = "judgements"
    ISSUES = "issues"
    RECONCILIATIONS = "reconciliations"
    POISON = "poison"
    AUDIT = "audit"


class RetentionRule(NamedTuple):
    """For how many days a class is kept by default (0: for ever), and the fewest that may be set."""

    days: int
    fewest_days: int = 1


# SECURITY: an id of a signed postback must outlive every copy of it. Edges refuse a copy after ten minutes, but one
# that came in time may lie in the spool of a host that is down. A delivery is tried for 75 hours.
RETENTION_RULES: Mapping[RetentionClass, RetentionRule] = MappingProxyType(
    {
        RetentionClass.CLICKS: RetentionRule(0),
        RetentionClass.POSTBACKS: RetentionRule(0),
        RetentionClass.DELIVERIES: RetentionRule(0, 7),
        RetentionClass.ATTEMPTS: RetentionRule(90, 7),
        RetentionClass.NONCES: RetentionRule(90, 30),
        RetentionClass.JUDGEMENTS: RetentionRule(365),
        RetentionClass.ISSUES: RetentionRule(0),
        RetentionClass.RECONCILIATIONS: RetentionRule(0),
        RetentionClass.POISON: RetentionRule(0),
        RetentionClass.AUDIT: RetentionRule(0, 90),
    }
)
# What each class is, in the words of its setting.
RETENTION_WORDS: Mapping[RetentionClass, str] = MappingProxyType(
    {
        RetentionClass.CLICKS: "clicks",
        RetentionClass.POSTBACKS: "postbacks",
        RetentionClass.DELIVERIES: "deliveries",
        RetentionClass.ATTEMPTS: "attempts at deliveries",
        RetentionClass.NONCES: "the ids of signed postbacks",
        RetentionClass.JUDGEMENTS: "replays and their judgements",
        RetentionClass.ISSUES: "resolved issues",
        RetentionClass.RECONCILIATIONS: "reconciliations",
        RetentionClass.POISON: "records that could not be stored",
        RetentionClass.AUDIT: "records of the audit log",
    }
)
