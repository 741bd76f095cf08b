"""The REST resources of conversions: the list, single conversions, and decisions."""

from __future__ import annotations

from uuid import UUID

import falcon

from admin_api.conversions.decisions import Action, Decided, Found, decide, decide_all, preview
from admin_api.conversions.listing import (
    ConversionFilter,
    load_changes,
    load_conversion,
    load_conversions,
    load_revision,
)
from admin_api.conversions.objects import (
    BulkDecision,
    BulkDecisionResult,
    Conversion,
    ConversionChange,
    ConversionDetails,
    Decision,
)
from admin_api.http import (
    OUTDATED,
    Page,
    Revisions,
    TimedPageQuery,
    actor_of,
    add_operation,
    encode_place,
    operation,
    page_of,
)
from admin_api.money import load_entries_of
from admin_api.runtime import Database, Pool
from tracking.conversions import ConversionStatus

_SUMMARIES = {
    Action.APPROVE: "Approve pending conversions",
    Action.REJECT: "Reject pending conversions",
    Action.REBOOK: "Book conversions under new terms",
}


class ConversionsQuery(ConversionFilter, TimedPageQuery):
    """The filters of the list and the place of a page."""


class Conversions:
    """The list of conversions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List conversions")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: ConversionsQuery) -> Page[Conversion]:
        """The newest conversions come first."""
        with self._pool.connection() as database:
            rows = load_conversions(database, query.chosen(), query.cursor, query.limit + 1)
        return page_of(
            Page[Conversion],
            rows,
            query.limit,
            Conversion.of,
            lambda row: encode_place(row["received_at"], row["conversion_id"]),
        )


class ConversionItem:
    """One conversion, with its changes and entries."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show a conversion", versioned=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, conversion_id: UUID) -> ConversionDetails:
        """The answer has all changes of the conversion and all entries that were booked for it."""
        with self._pool.connection() as database, database.transaction():
            database.execute("set transaction isolation level repeatable read, read only")
            return _details(resp, database, conversion_id)

    @operation("Decide on a conversion", versioned=True, moves_money=True, conflicts=("illegal-transition",))
    def on_patch(
        self, req: falcon.Request, resp: falcon.Response, conversion_id: UUID, body: Decision, allowed: Revisions
    ) -> ConversionDetails:
        """Approve, reject or reverse it. Bookkeeping follows. Setting the status that it has changes nothing."""
        decided = Decided(ConversionStatus(body.status), actor_of(req), body.note)
        # In one transaction, the answer shows the conversion as this decision left it.
        with self._pool.connection() as database, database.transaction():
            decide(database, conversion_id, decided, allowed)
            return _details(resp, database, conversion_id)


class BulkDecisions:
    """One action on all conversions that a filter finds. A preview comes first, and its token confirms the action."""

    def __init__(self, pool: Pool, action: Action) -> None:
        self._pool = pool
        self._action = action
        add_operation(self, "post", type(self).act, _SUMMARIES[action], moves_money=True, conflicts=(OUTDATED,))

    def act(self, req: falcon.Request, resp: falcon.Response, body: BulkDecision) -> BulkDecisionResult:
        """Up to 10,000 conversions of a filter. Without a token the answer is a preview; repeat it with its token."""
        with self._pool.connection() as database:
            if body.token is None:
                found = preview(database, self._action, body.filter)
                return _result(found, token=found.token, changed=None)
            done = decide_all(database, self._action, body.filter, body.token, actor_of(req), body.note)
        return _result(done, token=None, changed=len(done.conversion_ids))


def _details(resp: falcon.Response, database: Database, conversion_id: UUID) -> ConversionDetails:
    """Return a conversion with its changes and entries inside the caller's transaction, or raise NotFoundError."""
    row = load_conversion(database, conversion_id)
    changes = [ConversionChange.of(change) for change in load_changes(database, conversion_id)]
    resp.etag = str(load_revision(database, conversion_id))
    return ConversionDetails.of(row, changes=changes, entries=load_entries_of(database, conversion_id))


def _result(found: Found, *, token: str | None, changed: int | None) -> BulkDecisionResult:
    return BulkDecisionResult(count=len(found.conversion_ids), sums=list(found.sums), token=token, changed=changed)
