"""All that is stored about one click, read from one state of the database. SQL only; trace.py makes the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, LiteralString, NamedTuple
from uuid import UUID

from admin_api.conversions import CHANGE_COLUMNS
from admin_api.postbacks import JUDGEMENT_COLUMNS
from admin_api.routing import load_decision
from admin_api.runtime import Database, Row
from config.tables import clicks, delivery_attempts, entries, postbacks

# The limit for each table. A click that thousands of postbacks name is an attack, and one page is enough to show that.
ROWS_MAX = 1000
CutTable = Literal[
    "postbacks", "judgements", "conversions", "changes", "entries", "payouts", "deliveries", "attempts", "issues"
]
_CLICK: LiteralString = f"""
    select {clicks.SHOWN}, c.erased_at, l.name as link_name, l.updated_at as link_updated_at, m.merchant_id,
        m.name as merchant_name, p.name as profile_name, p.redirect_type, p.updated_at as profile_updated_at
    from clicks c left join links l on l.link_id = c.link_id left join profiles p on p.profile_id = c.profile_id
        left join merchants m on m.merchant_id = coalesce((
            select h.merchant_id from link_history h where h.link_id = c.link_id and h.until > c.clicked_at
            order by h.until limit 1), l.merchant_id)
    where c.click_id = %s
"""  # noqa: S608
_POSTBACKS: LiteralString = f"""
    select {postbacks.SHOWN}, spool_id, spool_number from postbacks where click_id = %s
    order by received_at, postback_id limit %s
"""  # noqa: S608
_JUDGEMENTS: LiteralString = f"""
    select {JUDGEMENT_COLUMNS}, replay_id, r.dry, r.requested_by
    from postback_judgements join (select replay_id, dry, requested_by from replays) r using (replay_id)
    where postback_id = any(%s) order by judgement_id limit %s
"""  # noqa: S608
_CONVERSIONS: LiteralString = """
    select conversion_id, event, order_id from conversions where click_id = %s
    order by received_at, conversion_id limit %s
"""
_CHANGES: LiteralString = f"""
    select conversion_id, {CHANGE_COLUMNS} from conversion_changes where conversion_id = any(%s)
    order by change_id limit %s
"""  # noqa: S608
_ENTRIES: LiteralString = f"""
    select {entries.SHOWN} from entries where conversion_id = any(%s) order by entry_id limit %s
"""  # noqa: S608
_PAYOUTS: LiteralString = """
    select payout_id, source_id, currency, payout_schedule, period_ends_at, state, override_minor, note, paid_minor,
        reference, decided_at, decided_by, paid_at, paid_by, created_at,
        (select count(*) from entries e where e.payout_id = payouts.payout_id and e.kind <> 'payout'
            and e.settles_payout is null) as entries
    from payouts where payout_id = any(%s) order by payout_id limit %s
"""
_DELIVERIES: LiteralString = """
    select d.delivery_id, d.outgoing_postback_id, o.name, d.change_id, d.event, d.facts, d.state, d.attempts,
        d.planned_at, d.finished_at
    from deliveries d join outgoing_postbacks o using (outgoing_postback_id)
    where d.conversion_id = any(%s) and not d.is_test order by d.planned_at, d.delivery_id limit %s
"""
_ATTEMPTS: LiteralString = f"""
    select delivery_id, {delivery_attempts.SHOWN} from delivery_attempts where delivery_id = any(%s)
    order by started_at, delivery_id, attempt limit %s
"""  # noqa: S608
_ISSUES: LiteralString = """
    select issue_id, kind, state, title, detail, postback_id, count, note, opened_at, resolved_at
    from issues where click_id = %s order by issue_id limit %s
"""


class TraceRows(NamedTuple):
    """The rows about a click, by table. `click` is None if it is not stored. `cut` names tables that hold more rows."""

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
    cut: list[CutTable]


def load_trace_rows(database: Database, click_id: UUID) -> TraceRows:
    """Return all rows about a click from one state. The click's query names its partition, so it looks at no other."""
    with database.transaction():
        database.execute("set transaction isolation level repeatable read, read only")
        # The query is planned with its value: a plan for any value would prepare to look at every day.
        click = database.execute(_CLICK, [click_id], prepare=False).fetchone()
        if click is not None:
            click["decision"] = load_decision(database, click)
        cut: list[CutTable] = []

        def load(table: CutTable, query: LiteralString, key: object) -> list[Row]:
            rows = [] if key == [] else database.execute(query, [key, ROWS_MAX + 1]).fetchall()
            if len(rows) > ROWS_MAX:
                cut.append(table)
            return rows[:ROWS_MAX]

        postbacks = load("postbacks", _POSTBACKS, click_id)
        conversions = load("conversions", _CONVERSIONS, click_id)
        # These are only the conversions that are shown, since nothing below may be about another.
        conversion_ids = _ids(conversions, "conversion_id")
        entries = load("entries", _ENTRIES, conversion_ids)
        deliveries = load("deliveries", _DELIVERIES, conversion_ids)
        return TraceRows(
            click,
            postbacks,
            load("judgements", _JUDGEMENTS, _ids(postbacks, "postback_id")),
            conversions,
            load("changes", _CHANGES, conversion_ids),
            entries,
            load("payouts", _PAYOUTS, sorted(set(_ids(entries, "payout_id")))),
            deliveries,
            load("attempts", _ATTEMPTS, _ids(deliveries, "delivery_id")),
            load("issues", _ISSUES, click_id),
            cut,
        )


def _ids(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in rows if row[name] is not None]
