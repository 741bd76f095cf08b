"""The dry run of a link's rules as a resource."""

from __future__ import annotations

import falcon

from admin_api.configuration import LINKS
from admin_api.dry_run.objects import DryRun, DryRunResult
from admin_api.dry_run.run import TOO_MUCH, dry_run
from admin_api.http import Route, operation
from admin_api.resources import load_one
from admin_api.routing import drafted_routing
from admin_api.runtime import Pool


class DryRunOfLink:
    """Tries a draft of a link's rules on its stored clicks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Try rules on stored clicks", conflicts=(TOO_MUCH,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, link_id: int, body: DryRun) -> DryRunResult:
        """The answer says what a draft would change. Nothing is stored."""
        with self._pool.connection() as database:
            link = load_one(database, LINKS, link_id)
            draft = drafted_routing(database, body.changes().get("routing"), link)
            return dry_run(database, link, draft, body)


def dry_run_routes(pool: Pool) -> list[Route]:
    """Return the routes of dry runs."""
    return [Route("/v1/links/{link_id}/dry-run", DryRunOfLink(pool))]
