"""Says which commission plan a conversion of a link would get now, and why it would get none of the others."""

from __future__ import annotations

from datetime import UTC, date, datetime

import falcon

from admin_api.http import CountryCode, EventName, Moment, NotFoundError, Number, Query, Shown, operation
from admin_api.runtime import Database, Pool
from tracking.money import (
    Candidate,
    CommissionKind,
    Plan,
    PlanLookup,
    PlanRung,
    PlanVerdict,
    format_amount,
    plan_from_row,
    resolve_plan,
    winner,
)

_LINK = (
    "select l.merchant_id, l.source_id, l.plan_id, p.plan_id as profile_plan_id, m.default_plan_id"
    " from links l left join profiles p using (profile_id) join merchants m using (merchant_id) where l.link_id = %s"
)
_TERMS = {
    CommissionKind.NONE: (),
    CommissionKind.CPA: ("cpa_minor", "baseline_minor"),
    CommissionKind.CPL: ("cpl_minor",),
    CommissionKind.REVSHARE: ("revshare_percent",),
    CommissionKind.HYBRID: ("cpa_minor", "baseline_minor", "revshare_percent"),
}


class PlanQuery(Query):
    """The conversion for which a plan is sought."""

    link_id: Number
    """The link of the conversion."""
    country: CountryCode | None = None
    """The country of the click. Without it the country is unknown, and a plan with countries does not apply."""
    at: Moment | None = None
    """When the conversion was received; now, if it is left out."""
    event: EventName | None = None
    """The event type of the conversion, if you want to see what it would earn."""


class TermAmount(Shown):
    """An amount of a plan, in minor and in major units."""

    amount_minor: int
    amount: str


class EarnedTerms(Shown):
    """The terms that an event type earns. All other terms are null, and so are terms that the plan does not have."""

    cpa_minor: TermAmount | None
    baseline_minor: TermAmount | None
    cpl_minor: TermAmount | None
    revshare_percent: float | None


class Earnings(Shown):
    """What an event type would earn under the chosen plan."""

    event: str
    commission: CommissionKind
    currency: str | None
    """The currency of the plan; null if no plan was chosen."""
    terms: EarnedTerms


class PlanCandidate(Shown):
    """A commission plan, and whether it was chosen."""

    plan_id: int
    name: str
    rung: PlanRung
    """The step of the order of precedence at which the plan stands."""
    verdict: PlanVerdict
    """Whether it was chosen, or why not."""
    merchant_id: int | None
    countries: list[str]
    starts_on: date
    active: bool


class ResolvedPlan(Shown):
    """The plan of a conversion, and all other plans."""

    link_id: int
    merchant_id: int
    source_id: int | None
    country: str | None
    day: date
    """The day of the conversion, in UTC."""
    plan_id: int | None
    """The plan that was chosen; null if none applies."""
    rung: PlanRung | None
    earns: Earnings | None
    """What the event type would earn; null unless an event was given."""
    candidates: list[PlanCandidate]
    """Every plan, in the order of precedence."""


class PlanResolution:
    """Finds the plan that a conversion would get."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Find the commission plan of a conversion", not_found=("not-found",))
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: PlanQuery) -> ResolvedPlan:
        """Chooses among the current plans as bookkeeping does, and says of every other plan why it does not apply."""
        with self._pool.connection() as database:
            return resolve(database, query)


def resolve(database: Database, query: PlanQuery) -> ResolvedPlan:
    """Return the chosen plan and what it pays, and all candidates in order with their verdicts."""
    link = database.execute(_LINK, [query.link_id]).fetchone()
    if link is None:
        raise NotFoundError(f"there is no link {query.link_id}")
    case = PlanLookup(
        link["merchant_id"],
        query.country,
        (query.at or datetime.now(UTC)).date(),
        link["plan_id"],
        link["profile_plan_id"],
        link["default_plan_id"],
    )
    plans = [plan_from_row(row) for row in database.execute("select * from commission_plans").fetchall()]
    candidates = resolve_plan(plans, case)
    won = winner(candidates)
    return ResolvedPlan(
        link_id=query.link_id,
        merchant_id=link["merchant_id"],
        source_id=link["source_id"],
        country=case.country,
        day=case.day,
        plan_id=won.plan.plan_id if won is not None else None,
        rung=won.rung if won is not None else None,
        earns=_earnings(database, query.event, won.plan if won is not None else None) if query.event else None,
        candidates=[_candidate(each) for each in candidates],
    )


def _earnings(database: Database, event: str, plan: Plan | None) -> Earnings:
    """Return the terms of the chosen plan that an event type earns."""
    row = database.execute("select commission from event_types where event = %s", [event]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no event type {event}")
    kind = CommissionKind(row["commission"])
    return Earnings(
        event=event,
        commission=kind,
        currency=plan.currency if plan is not None else None,
        terms=EarnedTerms(
            cpa_minor=_amount(kind, plan, "cpa_minor"),
            baseline_minor=_amount(kind, plan, "baseline_minor"),
            cpl_minor=_amount(kind, plan, "cpl_minor"),
            revshare_percent=(
                float(plan.revshare_percent)
                if plan is not None and plan.revshare_percent is not None and "revshare_percent" in _TERMS[kind]
                else None
            ),
        ),
    )


def _amount(kind: CommissionKind, plan: Plan | None, name: str) -> TermAmount | None:
    amount_minor = getattr(plan, name) if plan is not None and name in _TERMS[kind] else None
    if plan is None or amount_minor is None:
        return None
    return TermAmount(amount_minor=amount_minor, amount=format_amount(amount_minor, plan.currency))


def _candidate(candidate: Candidate) -> PlanCandidate:
    plan = candidate.plan
    return PlanCandidate(
        plan_id=plan.plan_id,
        name=plan.name,
        rung=candidate.rung,
        verdict=candidate.verdict,
        merchant_id=plan.merchant_id,
        countries=sorted(plan.countries),
        starts_on=plan.starts_on,
        active=plan.active,
    )
