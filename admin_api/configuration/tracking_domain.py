"""What a proxy asks before it gets a certificate: is this host name one of our tracking domains?"""

from __future__ import annotations

import falcon

from admin_api.http import NotFoundError
from admin_api.runtime import Database, Pool

PATH = "/internal/tracking-domain"
_DOMAIN_CHARACTERS_MAX = 253


class TrackingDomain:
    """GET without a token: a proxy has none, and a name that answers on the web is no secret.

    SECURITY: without it anybody could point names at a proxy and use up its certificates of the day.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """200 for the domain of a profile, active or not, else 404."""
        domain = (req.get_param("domain") or "").lower().removesuffix(".")
        known = False
        if 0 < len(domain) <= _DOMAIN_CHARACTERS_MAX and domain.isascii() and domain.isprintable():
            with self._pool.connection() as database:
                known = is_tracking_domain(database, domain)
        if not known:
            raise NotFoundError("no profile answers on this domain")
        resp.media = {"domain": domain}


def is_tracking_domain(database: Database, domain: str) -> bool:
    """Whether a profile has this domain."""
    return database.execute("select 1 from profiles where domain = %s", [domain]).fetchone() is not None
