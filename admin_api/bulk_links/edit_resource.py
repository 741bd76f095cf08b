"""Changes of many links as resources: a preview first, and its token carries it out."""

from __future__ import annotations

import falcon

from admin_api.bulk_links.edit_objects import (
    BulkEdit,
    BulkEditResult,
    EditExample,
    EditFault,
    UnusedLinks,
    UnusedResult,
)
from admin_api.bulk_links.link_edits import EXAMPLES_MAX, edit_links
from admin_api.bulk_links.unused_links import delete_unused
from admin_api.http import OUTDATED, caller_of, operation
from admin_api.runtime import Pool

SHOWN_MAX = 100


class LinkEdits:
    """One change of all links that a filter finds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Change many links", conflicts=(OUTDATED, "bulk-running"))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: BulkEdit) -> BulkEditResult:
        """Up to 100,000 links in one transaction. Without a token the answer is a preview; repeat it with its token."""
        with self._pool.connection() as database:
            edited = edit_links(database, body, caller_of(req))
        done = body.token is not None
        return BulkEditResult(
            count=edited.count,
            unchanged=edited.unchanged,
            errors=len({fault.row for fault in edited.faults}),
            faults=[
                EditFault(link_id=each.row, field=each.field, value=each.value, code=each.code, detail=each.detail)
                for each in edited.faults[:SHOWN_MAX]
            ],
            examples=[EditExample(**example._asdict()) for example in edited.examples[:EXAMPLES_MAX]],
            token=None if done else edited.token,
            changed=edited.changed if done else None,
        )


class UnusedLinkDeletion:
    """Deletes links that nothing came of."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Delete unused links", conflicts=(OUTDATED, "bulk-running", "in-use"))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: UnusedLinks) -> UnusedResult:
        """Up to 100,000 links in one transaction. Without a token the answer is a preview; repeat it with its token."""
        with self._pool.connection() as database:
            unused = delete_unused(database, body, caller_of(req))
        done = body.token is not None
        return UnusedResult(
            count=len(unused.link_ids),
            link_ids=list(unused.link_ids[:SHOWN_MAX]),
            token=None if done else unused.token,
            changed=len(unused.link_ids) if done else None,
        )
