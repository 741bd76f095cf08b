"""Everything that is stored about one click, read from one state of the database. SQL only; trace_steps tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from admin_api.postbacks import COLUMNS as POSTBACK_COLUMNS
from admin_api.runtime import Database, Row
from tracking.clicks import SUB_NAMES

# Of each table. A click that thousands of postbacks name is an attack, and a page of it is enough to see that.
ROWS_MAX = 1000
# Only names of ours are put in.
_CLICK = f"""
    select c.click_id, c.clicked_at, c.link_id, c.profile_id, c.config_version, c.class, c.method, c.host, c.slug,
        c.query, c.parameters, {", ".join(f"c.{name}" for name in SUB_NAMES)}, host(c.ip) as ip, c.user_agent,
        c.referrer, c.accept_language, c.location, c.spool_id, c.spool_number, c.stored_at,
        l.name as link_name, l.updated_at as link_updated_at, l.merchant_id, m.name as merchant_name,
        p.name as profile_name, p.domain, p.redirect_type, p.updated_at as profile_updated_at
    from clicks c left join links l on l.link_id = c.link_id left join profiles p on p.profile_id = c.profile_id
        left join merchants m on m.merchant_id = l.merchant_id
    where c.click_id = %s
"""  # noqa: S608
_POSTBACKS = f"""
    select {POSTBACK_COLUMNS}, spool_id, spool_number from postbacks where click_id = %s
    order by received_at, postback_id limit %s
"""  # noqa: S608
_JUDGEMENTS = """
    select j.judgement_id, j.replay_id, j.postback_id, j.judged_at, j.changed, j.before, j.after, j.note, r.dry,
        r.requested_by
    from postback_judgements j join replays r using (replay_id)
    where j.postback_id = any(%s) order by j.judgement_id limit %s
"""
_CONVERSIONS = """
    select conversion_id, merchant_id, event, order_id, status, reason, payout_minor, currency, authenticated, country,
        received_at
    from conversions where click_id = %s order by received_at, conversion_id limit %s
"""
_CHANGES = """
    select change_id, conversion_id, changed_at, cause, postback_id, actor, note, from_status, to_status,
        from_payout_minor, to_payout_minor, from_currency, to_currency, reason, booked_at
    from conversion_changes where conversion_id = any(%s) order by change_id limit %s
"""
_ENTRIES = """
    select entry_id, party, kind, conversion_id, merchant_id, source_id, amount_minor, currency, original_minor,
        original_currency, rate::text as rate, rate_date, plan_id, change_id, actor, note, payable_at, payout_id,
        locked, created_at
    from entries where conversion_id = any(%s) order by entry_id limit %s
"""
_PAYOUTS = """
    select payout_id, source_id, currency, payout_schedule, period_ends_at, state, override_minor, note, paid_minor,
        reference, decided_at, decided_by, paid_at, paid_by, created_at,
        (select count(*) from entries e where e.payout_id = payouts.payout_id and e.kind <> 'payout'
            and e.settles_payout is null) as entries
    from payouts where payout_id = any(%s) order by payout_id limit %s
"""
_DELIVERIES = """
    select d.delivery_id, d.outgoing_postback_id, o.name, d.change_id, d.conversion_id, d.event, d.facts, d.state,
        d.due_at, d.attempts, d.planned_at, d.finished_at
    from deliveries d join outgoing_postbacks o using (outgoing_postback_id)
    where d.conversion_id = any(%s) and not d.is_test order by d.planned_at, d.delivery_id limit %s
"""
_ATTEMPTS = """
    select delivery_id, attempt, started_at, ended_at, duration_ms, method, url, headers, body,
        host(address) as address, response_status, response_headers, response_body, error, detail
    from delivery_attempts where delivery_id = any(%s) order by started_at, delivery_id, attempt limit %s
"""
_ISSUES = """
    select issue_id, kind, subject_key, state, title, detail, postback_id, conversion_id, count, note, opened_at,
        last_seen_at, resolved_at
    from issues where click_id = %s order by issue_id limit %s
"""


class TraceRows(NamedTuple):
    """The rows of a click, by table; `click` is None while it is not stored. `cut` names tables that hold more."""

    click: Row | None
    postbacks: list[Row]
    judgements: list[Row]
    conversions: list[Row]
    changes: list[Row]
    entries: list[Row]
    payouts: list[Row]
    deliveries: list[Row]
    attempts: list[Row]
    issues: list[Row]
    cut: list[str]


def load_trace_rows(database: Database, click_id: UUID) -> TraceRows:
    """Return all rows about a click, of one moment. The click's query names its partition, so no other is looked at."""
    with database.transaction():
        database.execute("set transaction isolation level repeatable read, read only")
        # Planned with its value: a plan for any value would prepare to look at every day there is.
        click = database.execute(_CLICK.encode(), [click_id], prepare=False).fetchone()
        found: dict[str, list[Row]] = {}
        found["postbacks"] = _load(database, _POSTBACKS, click_id)
        found["conversions"] = _load(database, _CONVERSIONS, click_id)
        conversion_ids = _ids(found["conversions"], "conversion_id")
        found["judgements"] = _load(database, _JUDGEMENTS, _ids(found["postbacks"], "postback_id"))
        found["changes"] = _load(database, _CHANGES, conversion_ids)
        found["entries"] = _load(database, _ENTRIES, conversion_ids)
        found["payouts"] = _load(database, _PAYOUTS, sorted(set(_ids(found["entries"], "payout_id"))))
        found["deliveries"] = _load(database, _DELIVERIES, conversion_ids)
        found["attempts"] = _load(database, _ATTEMPTS, _ids(found["deliveries"], "delivery_id"))
        found["issues"] = _load(database, _ISSUES, click_id)
    cut = [name for name, rows in found.items() if len(rows) > ROWS_MAX]
    return TraceRows(click, **{name: rows[:ROWS_MAX] for name, rows in found.items()}, cut=cut)


def _load(database: Database, query: str, key: object) -> list[Row]:
    if key == []:
        return []
    return database.execute(query.encode(), [key, ROWS_MAX + 1]).fetchall()


def _ids(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in rows if row[name] is not None]
