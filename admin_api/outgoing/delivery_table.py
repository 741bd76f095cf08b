"""SQL of deliveries and their attempts: the API reads them and makes deliveries due again."""

from __future__ import annotations

from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import sql

from admin_api.http import BulkResult, Chosen, ConflictError, NotFoundError, Place, preview_token, require_preview
from admin_api.runtime import Database, Row
from config.tables import delivery_attempts
from tracking.runtime import FieldError

REPLAYED_MAX = 10_000
_SELECT: LiteralString = """
    select d.delivery_id, d.outgoing_postback_id, d.change_id, d.conversion_id, d.click_id, d.event, d.is_test, d.state,
        d.attempts, d.due_at, d.planned_at, d.finished_at, d.facts, last.last_attempt_at, last.response_status,
        last.error
    from deliveries d left join lateral (
        select a.started_at as last_attempt_at, a.response_status, a.error from delivery_attempts a
        where a.delivery_id = d.delivery_id order by a.attempt desc limit 1
    ) last on true
"""
_ATTEMPTS: LiteralString = (
    f"select {delivery_attempts.SHOWN} from delivery_attempts where delivery_id = %s order by attempt"  # noqa: S608
)
# An attempt that is under way is left alone, since it may be arriving now. Attempts are only read where one may be
# under way, so not for failed deliveries.
_AT_REST: LiteralString = (
    "(d.state <> 'pending' or d.due_at <= now() or not exists (select from delivery_attempts a"
    " where a.delivery_id = d.delivery_id and a.attempt = d.attempts and a.ended_at is null))"
)
_LOCK = "select 1 from deliveries where delivery_id = %s for update"
_MAKE_DUE: LiteralString = (
    "update deliveries d set state = 'pending', due_at = now(), tries = 0, finished_at = null"  # noqa: S608
    f" where d.delivery_id = any(%s) and {_AT_REST}"
)
_BACKLOG = """
    select (select count(*) from outgoing_postbacks p join deliveries d using (outgoing_postback_id)
            where p.state = 'enabled' and d.state = 'pending' and d.due_at < now() - interval '10 seconds') as overdue,
        (select count(*) from outgoing_postbacks where state = 'suspended') as suspended
"""


class Backlog(NamedTuple):
    """What an operator should know: overdue deliveries of enabled postbacks, and postbacks that Waypost suspended."""

    overdue: int
    suspended: int


def load_deliveries(database: Database, chosen: Chosen, place: Place | None, limit: int) -> list[Row]:
    """Return up to `limit` deliveries after a place of the list, the newest first.

    The query is planned with its values: each filter has an index in the list's order, and the best depends on them.
    """
    query, values = deliveries_query(chosen, place, limit)
    return database.execute(query, values, prepare=False).fetchall()


def deliveries_query(chosen: Chosen, place: Place | None, limit: int) -> tuple[sql.Composed, dict[str, Any]]:
    """Return the query of a page and its values."""
    values: dict[str, Any] = {**chosen.values, "limit": limit}
    more = []
    if place is not None:
        values |= {"at": place.at, "after": place.row_id}
        more.append(sql.SQL("(d.planned_at, d.delivery_id) < (%(at)s, %(after)s)"))
    query = sql.SQL("{} {} order by d.planned_at desc, d.delivery_id desc limit %(limit)s")
    return query.format(sql.SQL(_SELECT), chosen.where(*more)), values


def load_delivery(database: Database, delivery_id: UUID) -> Row:
    """Return one delivery, or raise NotFoundError."""
    row = database.execute(sql.SQL("{} where d.delivery_id = %s").format(sql.SQL(_SELECT)), [delivery_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no delivery {delivery_id}")
    return row


def load_with_attempts(database: Database, delivery_id: UUID) -> tuple[Row, list[Row]]:
    """Return one delivery and its attempts, the oldest first, from one state. Raises NotFoundError."""
    with database.transaction():
        database.execute("set transaction isolation level repeatable read, read only")
        return load_delivery(database, delivery_id), database.execute(_ATTEMPTS, [delivery_id]).fetchall()


def replay_delivery(database: Database, delivery_id: UUID) -> Row:
    """Make one delivery due at once and return it. Raises NotFoundError, or ConflictError during an attempt."""
    with database.transaction():
        # The lock is a separate statement, so the update sees an attempt that began while this waited for the lock.
        database.execute(_LOCK, [delivery_id])
        if not database.execute(_MAKE_DUE, [[delivery_id]]).rowcount:
            load_delivery(database, delivery_id)
            raise ConflictError("an attempt at this delivery is under way; see how it ends", code="under-way")
        return load_delivery(database, delivery_id)


def matching_deliveries(chosen: Chosen) -> sql.Composed:
    """Return the from clause of the deliveries that a replay may affect."""
    return sql.SQL("from deliveries d {}").format(chosen.where(sql.SQL(_AT_REST)))


def replay_deliveries(database: Database, chosen: Chosen, token: str | None) -> BulkResult:
    """Preview which deliveries match or, with the token of the preview, make them due.

    Raises FieldError for more than 10,000, and ConflictError if the filter no longer finds what the preview showed.
    """
    with database.transaction():
        # A delivery is locked while it is sent, so this waits for its end and then finds it changed. The update checks
        # again whether an attempt has begun, for the same reason as with one delivery.
        query = sql.SQL("select d.delivery_id, d.state, d.attempts {} order by d.delivery_id limit {} {}").format(
            matching_deliveries(chosen),
            sql.Literal(REPLAYED_MAX + 1),
            sql.SQL("" if token is None else "for update of d"),
        )
        found = database.execute(query, chosen.values, prepare=False).fetchall()
        if len(found) > REPLAYED_MAX:
            raise FieldError(
                "filter", f"filter finds more than {REPLAYED_MAX} deliveries; narrow it, for example by from and to"
            )
        current = preview_token("|".join(map(str, each.values())) for each in found)
        if token is None:
            return BulkResult(count=len(found), token=current, changed=None)
        require_preview(token, current, f"the filter now finds {len(found)}")
        done = database.execute(_MAKE_DUE, [[each["delivery_id"] for each in found]]).rowcount
        return BulkResult(count=len(found), token=None, changed=done)


def load_backlog(database: Database) -> Backlog:
    """Return how many deliveries are overdue and how many postbacks are suspended."""
    row = database.execute(_BACKLOG).fetchone()
    assert row is not None
    return Backlog(**row)
