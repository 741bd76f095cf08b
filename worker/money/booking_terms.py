"""Chooses the terms under which a conversion is booked: its source, plan, commission and payout schedule.

Terms are chosen once and kept, so that a later change of a plan or a link does not change what was earned before. An
operator may ask for them to be chosen again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from tracking.money import PlanLookup, plan_from_row, resolve_plan, winner
from worker.runtime import Connection

# Conversions that have no terms yet or are to get new ones. A deleted event type earns nothing. The source is the one
# that had the link when the click was made, or the first one after that. An operator who asks for new terms has
# corrected the link, so its present source counts then.
_CASES = (
    "select c.conversion_id, case when b.renew then l.source_id else coalesce(h.source_id, l.source_id) end,"
    " coalesce(t.commission, 'none'), coalesce(t.payout_schedule, 'monthly'),"
    " coalesce(t.hold_days, 0), c.merchant_id, c.country, (c.received_at at time zone 'UTC')::date, l.plan_id,"
    " p.plan_id, m.default_plan_id"
    " from conversions c left join bookings b using (conversion_id) left join links l on l.link_id = c.link_id"
    " left join profiles p on p.profile_id = l.profile_id left join merchants m on m.merchant_id = c.merchant_id"
    " left join event_types t on t.event = c.event"
    " left join lateral (select source_id from link_history where link_id = c.link_id and until > c.clicked_at"
    " and source_id is not null order by until limit 1) h on true"
    " where c.conversion_id = any(%s) and (b.conversion_id is null or b.renew) order by c.conversion_id"
)
_PLANS = "select * from commission_plans where merchant_id is null or merchant_id = any(%s)"
_SAVE = (
    "insert into bookings (conversion_id, source_id, plan_id, plan_rung, commission, payout_schedule, hold_days)"
    " values (%s, %s, %s, %s, %s, %s, %s) on conflict (conversion_id) do update set"
    " plan_id = excluded.plan_id, plan_rung = excluded.plan_rung, commission = excluded.commission,"
    " source_id = case when bookings.payable_at is null then excluded.source_id else bookings.source_id end,"
    " payout_schedule = case when bookings.payable_at is null then excluded.payout_schedule"
    " else bookings.payout_schedule end, hold_days = excluded.hold_days, rate = null, rate_date = null,"
    " original_minor = null, original_currency = null, renew = false where bookings.renew"
)


class _Case(NamedTuple):
    conversion_id: UUID
    source_id: int | None
    commission: str
    payout_schedule: str
    hold_days: int
    plan_case: PlanLookup


def choose_terms(connection: Connection, conversion_ids: Sequence[UUID]) -> None:
    """Choose terms, in the order of ids, for the conversions that have none or are to get new ones.

    Once a conversion has become payable, its source and schedule stay: all entries of a conversion have one source.
    """
    rows = connection.execute(_CASES, [list(conversion_ids)]).fetchall()
    cases = [_Case(row[0], row[1], row[2], row[3], row[4], PlanLookup(*row[5:])) for row in rows]
    if not cases:
        return
    with connection.cursor(row_factory=dict_row) as cursor:
        merchants = list({case.plan_case.merchant_id for case in cases})
        plans = [plan_from_row(row) for row in cursor.execute(_PLANS, [merchants])]
        cursor.executemany(_SAVE, [_terms(case, winner(resolve_plan(plans, case.plan_case))) for case in cases])


def _terms(case: _Case, won: Any) -> list[Any]:
    plan = (won.plan.plan_id, won.rung.value) if won is not None else (None, None)
    return [case.conversion_id, case.source_id, *plan, case.commission, case.payout_schedule, case.hold_days]
