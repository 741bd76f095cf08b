"""The closed lists of roles and rights, and which rights each role holds.

Each right is a scope of API tokens and a row of docs/people.md. What an operation needs is the admin API's table.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Role(StrEnum):
    """What a user is. A partner belongs to one source and sees nothing of any other."""

    OWNER = "owner"
    MANAGER = "manager"
    ANALYST = "analyst"
    PARTNER = "partner"


class Right(StrEnum):
    """One thing that a role or an API token may do: read or write an area."""

    # Profiles, links, rules, merchants, sources, caps, domains and everything else that the edge serves by.
    CONFIGURATION_READ = "configuration:read"
    CONFIGURATION_WRITE = "configuration:write"
    # Clicks, the event log, postbacks, the ledger, issues; writing: replays, runs of classes, erasures.
    TRAFFIC_READ = "traffic:read"
    TRAFFIC_WRITE = "traffic:write"
    CONVERSIONS_READ = "conversions:read"
    CONVERSIONS_WRITE = "conversions:write"
    # Outgoing postbacks and their deliveries. It is an area of its own since partners set up their own.
    OUTGOING_READ = "outgoing:read"
    OUTGOING_WRITE = "outgoing:write"
    # Commission plans, entries, payouts, rates, and every column of money wherever it is shown.
    MONEY_READ = "money:read"
    MONEY_WRITE = "money:write"
    # Asking reports; writing: saving and scheduling them.
    REPORTS_READ = "reports:read"
    REPORTS_WRITE = "reports:write"
    # Users, and the sessions and API tokens of others. Everybody has their own without a right.
    PEOPLE_READ = "people:read"
    PEOPLE_WRITE = "people:write"
    AUDIT_READ = "audit:read"
    HEALTH_READ = "health:read"


_ALL = frozenset(Right)
_READING = frozenset(right for right in Right if right.endswith(":read"))

RIGHTS_OF_ROLE: dict[Role, frozenset[Right]] = {
    Role.OWNER: _ALL,
    Role.MANAGER: _ALL - {Right.PEOPLE_WRITE, Right.AUDIT_READ},
    # An analyst sees money only if the user's `sees_money` says so: see rights_of.
    Role.ANALYST: _READING - {Right.MONEY_READ, Right.PEOPLE_READ, Right.AUDIT_READ},
    # What is shown of each area is only what belongs to the partner's source: see the row rules.
    Role.PARTNER: frozenset(
        {
            Right.CONFIGURATION_READ,
            Right.TRAFFIC_READ,
            Right.CONVERSIONS_READ,
            Right.OUTGOING_READ,
            Right.OUTGOING_WRITE,
            Right.MONEY_READ,
            Right.REPORTS_READ,
            Right.REPORTS_WRITE,
        }
    ),
}


def rights_of(role: Role, *, sees_money: bool = False) -> frozenset[Right]:
    """Return what a user of a role may do. `sees_money` counts for analysts alone."""
    held = RIGHTS_OF_ROLE[role]
    return held | {Right.MONEY_READ} if role is Role.ANALYST and sees_money else held


def missing_rights(held: Collection[Right], wanted: Collection[Right]) -> list[Right]:
    """Return which of the wanted rights are not held, in the order of the list of rights. Empty: all may be granted."""
    return [right for right in Right if right in wanted and right not in held]
