"""Which commission plan a conversion falls under, and why no other. Pure: the same plans give the same answer always.

A plan applies only within its brand and countries and from its first day on, however it was chosen. Of those that
apply: the link's, else the profile's, else the account's default, else the most specific match.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple


class PlanRung(StrEnum):
    """The precedence, highest first."""

    LINK = "link"
    PROFILE = "profile"
    ACCOUNT_DEFAULT = "account-default"
    BRAND_AND_COUNTRY = "brand-and-country"
    BRAND = "brand"
    COUNTRY = "country"
    ANY = "any"


class PlanVerdict(StrEnum):
    """Why a plan won or lost."""

    WON = "won"
    INACTIVE = "inactive"
    OTHER_BRAND = "other-brand"
    OTHER_COUNTRY = "other-country"
    NOT_STARTED = "not-started"
    LOWER_RUNG = "lower-rung"
    OLDER_START = "older-start"
    # Same rung and first day: the plan made last counts.
    OLDER_PLAN = "older-plan"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a source earns, in minor units of `currency`; null where the plan has no such term.

    `merchant_id` null is any brand, `countries` empty any country.
    """

    plan_id: int
    name: str
    merchant_id: int | None
    countries: frozenset[str]
    starts_on: date
    currency: str
    baseline_minor: int | None = None
    cpa_minor: int | None = None
    cpl_minor: int | None = None
    revshare_percent: Decimal | None = None
    active: bool = True


class PlanLookup(NamedTuple):
    """What a plan is looked for: a conversion's account, country and day, and the plans its link names."""

    merchant_id: int | None
    country: str | None
    day: date
    link_plan_id: int | None = None
    profile_plan_id: int | None = None
    default_plan_id: int | None = None


class Candidate(NamedTuple):
    """A plan, the rung it would stand on, and what became of it."""

    plan: Plan
    rung: PlanRung
    verdict: PlanVerdict


_RANKS = {rung: rank for rank, rung in enumerate(PlanRung)}


def resolve_plan(plans: Iterable[Plan], case: PlanLookup) -> list[Candidate]:
    """Return every plan in the order of precedence with its verdict; the winner, if there is one, comes first.

    After those that apply come those that do not, in the same order.
    """
    placed = [(plan, _rung(plan, case), _refusal(plan, case)) for plan in plans]
    placed.sort(
        key=lambda each: (
            each[2] is not None,
            _RANKS[each[1]],
            -each[0].starts_on.toordinal(),
            -each[0].plan_id,
        )
    )
    # What is not refused stands behind the first, which then is not refused either.
    return [
        Candidate(plan, rung, refusal or _standing(plan, rung, placed[0][0], placed[0][1]))
        for plan, rung, refusal in placed
    ]


def winner(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the candidate that won, or None."""
    return next((each for each in candidates if each.verdict is PlanVerdict.WON), None)


def plan_from_row(row: Mapping[str, Any]) -> Plan:
    """Return a row of commission_plans as a plan; `row` is by column name and may hold more."""
    values = {name: row[name] for name in Plan.__dataclass_fields__}
    return Plan(**values | {"countries": frozenset(values["countries"])})


def _rung(plan: Plan, case: PlanLookup) -> PlanRung:
    for rung, plan_id in (
        (PlanRung.LINK, case.link_plan_id),
        (PlanRung.PROFILE, case.profile_plan_id),
        (PlanRung.ACCOUNT_DEFAULT, case.default_plan_id),
    ):
        if plan.plan_id == plan_id:
            return rung
    if plan.merchant_id is not None:
        return PlanRung.BRAND_AND_COUNTRY if plan.countries else PlanRung.BRAND
    return PlanRung.COUNTRY if plan.countries else PlanRung.ANY


def _refusal(plan: Plan, case: PlanLookup) -> PlanVerdict | None:
    """Return why a plan does not apply, or None."""
    if not plan.active:
        return PlanVerdict.INACTIVE
    if plan.merchant_id is not None and plan.merchant_id != case.merchant_id:
        return PlanVerdict.OTHER_BRAND
    if plan.countries and case.country not in plan.countries:
        return PlanVerdict.OTHER_COUNTRY
    if plan.starts_on > case.day:
        return PlanVerdict.NOT_STARTED
    return None


def _standing(plan: Plan, rung: PlanRung, first: Plan, first_rung: PlanRung) -> PlanVerdict:
    """Return how a plan that applies stands against the one that won."""
    if plan.plan_id == first.plan_id:
        return PlanVerdict.WON
    if rung is not first_rung:
        return PlanVerdict.LOWER_RUNG
    return PlanVerdict.OLDER_START if plan.starts_on < first.starts_on else PlanVerdict.OLDER_PLAN
