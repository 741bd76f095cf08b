"""Finds the commission plan of a conversion, and why no other plan applies. Pure.

A plan applies only to its brand and countries, and from its first day on. Of the plans that apply, this takes the
link's, else the profile's, else the account's default, else the most specific one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple


class PlanRung(StrEnum):
    """How a plan was found. They are in the order of precedence, the highest first."""

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
    # Of plans with the same rung and first day, the one made last applies.
    OLDER_PLAN = "older-plan"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a source earns, in minor units of `currency`. A term that the plan does not have is None.

    Without a `merchant_id` the plan is for any brand, without `countries` for any country.
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
    """What decides which plan applies: a conversion's account, country and day, and the plans set for its link."""

    merchant_id: int | None
    country: str | None
    day: date
    link_plan_id: int | None = None
    profile_plan_id: int | None = None
    default_plan_id: int | None = None


class Candidate(NamedTuple):
    """A plan, how it was found, and why it won or lost."""

    plan: Plan
    rung: PlanRung
    verdict: PlanVerdict


_RANKS = {rung: rank for rank, rung in enumerate(PlanRung)}


def resolve_plan(plans: Iterable[Plan], case: PlanLookup) -> list[Candidate]:
    """Return every plan with its verdict: first those that apply, then the others, both in the order of precedence.

    If any plan applies, the first one is the winner.
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
    # If a plan applies, then so does the first one.
    return [
        Candidate(plan, rung, refusal or _standing(plan, rung, placed[0][0], placed[0][1]))
        for plan, rung, refusal in placed
    ]


def winner(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the candidate that won, or None."""
    return next((each for each in candidates if each.verdict is PlanVerdict.WON), None)


def plan_from_row(row: Mapping[str, Any]) -> Plan:
    """Return the plan of a row of commission_plans. `row` is by column name and may have further columns."""
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
    """Return the verdict on a plan that applies, by comparison with the one that won."""
    if plan.plan_id == first.plan_id:
        return PlanVerdict.WON
    if rung is not first_rung:
        return PlanVerdict.LOWER_RUNG
    return PlanVerdict.OLDER_START if plan.starts_on < first.starts_on else PlanVerdict.OLDER_PLAN
