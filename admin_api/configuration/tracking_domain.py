"""Tells a proxy whether a host name is one of our tracking domains, before the proxy gets a certificate for it."""

from __future__ import annotations

import falcon

from admin_api.http import NotFoundError, Query, Shown, operation
from admin_api.runtime import Database, Pool

PATH = "/internal/tracking-domain"
_DOMAIN_CHARACTERS_MAX = 253


class DomainQuery(Query):
    """The host name that the proxy was asked for."""

    domain: str = ""
    """Upper and lower case are the same, and a dot at the end is ignored."""


class KnownDomain(Shown):
    """A tracking domain."""

    domain: str


class TrackingDomain:
    """Says whether a host name is one of our tracking domains.

    SECURITY: without it, anybody could point names at a proxy and use up its daily certificates. It needs no token,
    because a proxy has none, and because a name that answers on the web is no secret.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Ask whether a profile has a domain", open=True, not_found=("not-found",))
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: DomainQuery) -> KnownDomain:
        """For a proxy that gets certificates by itself: 200 for the domain of any profile, active or not, else 404."""
        domain = query.domain.lower().removesuffix(".")
        known = False
        if 0 < len(domain) <= _DOMAIN_CHARACTERS_MAX and domain.isascii() and domain.isprintable():
            with self._pool.connection() as database:
                known = is_tracking_domain(database, domain)
        if not known:
            raise NotFoundError("no profile answers on this domain")
        return KnownDomain(domain=domain)


def is_tracking_domain(database: Database, domain: str) -> bool:
    """Say whether a profile has this domain."""
    return database.execute("select 1 from profiles where domain = %s", [domain]).fetchone() is not None
