"""Which commission plan a conversion of a link would fall under now, and why every other plan would not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import falcon

from admin_api.http.old import Filter, NotFoundError, choose, filters, parse_moment
from admin_api.runtime import Database, Pool
from tracking.money import Candidate, CommissionKind, PlanCase, format_amount, plan_from_row, resolve_plan, winner
from tracking.runtime import FieldError

_PARAMETERS = (
    Filter("link_id", filters.number, ""),
    Filter("country", filters.matching("[A-Z]{2}", "a two-letter country code such as DE"), ""),
    Filter("at", parse_moment, ""),
    Filter("event", filters.matching("[a-z][a-z0-9_]{0,39}", "the word of an event type, such as ftd"), ""),
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


class PlanResolution:
    """`GET /v1/commission-plans/resolve?link_id=&country=&at=&event=`; `at` is now where it is left out."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Resolve."""
        given = choose(_PARAMETERS, req.params).values
        if "link_id" not in given:
            raise FieldError("link_id", "link_id is required: the link of the conversion", code="missing-field")
        with self._pool.connection() as database:
            resp.media = resolve(database, given)


def resolve(database: Database, given: dict[str, Any]) -> dict[str, Any]:
    """Return what is looked for, the winner and what it pays, and all candidates in order with their verdicts."""
    link = database.execute(_LINK, [given["link_id"]]).fetchone()
    if link is None:
        raise NotFoundError(f"there is no link {given['link_id']}")
    day = given.get("at", datetime.now(UTC)).date()
    case = PlanCase(
        link["merchant_id"],
        given.get("country"),
        day,
        link["plan_id"],
        link["profile_plan_id"],
        link["default_plan_id"],
    )
    plans = [plan_from_row(row) for row in database.execute("select * from commission_plans").fetchall()]
    candidates = resolve_plan(plans, case)
    won = winner(candidates)
    return {
        "link_id": given["link_id"],
        "merchant_id": case.merchant_id,
        "source_id": link["source_id"],
        "country": case.country,
        "day": day,
        "plan_id": won.plan.plan_id if won is not None else None,
        "rung": won.rung if won is not None else None,
        "earns": _earnings(database, given["event"], won) if "event" in given else None,
        "candidates": [_shown(each) for each in candidates],
    }


def _earnings(database: Database, event: str, won: Candidate | None) -> dict[str, Any]:
    """Return the terms of the winner that an event type earns."""
    row = database.execute("select commission from event_types where event = %s", [event]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no event type {event}")
    kind = CommissionKind(row["commission"])
    terms = _TERMS[kind] if won is not None else ()
    return {
        "event": event,
        "commission": kind,
        "currency": won.plan.currency if won is not None else None,
        "terms": {name: _term(getattr(won.plan, name), won.plan.currency, name) for name in terms if won is not None},
    }


def _term(value: Any, currency: str, name: str) -> Any:
    if value is None or not name.endswith("_minor"):
        return None if value is None else float(value)
    return {"amount_minor": value, "amount": format_amount(value, currency)}


def _shown(candidate: Candidate) -> dict[str, Any]:
    plan = candidate.plan
    starts_on: date = plan.starts_on
    return {
        "plan_id": plan.plan_id,
        "name": plan.name,
        "rung": candidate.rung,
        "verdict": candidate.verdict,
        "merchant_id": plan.merchant_id,
        "countries": sorted(plan.countries),
        "starts_on": starts_on,
        "active": plan.active,
    }
