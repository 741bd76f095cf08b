"""The route that checks the domain of a profile."""

from __future__ import annotations

import falcon

from admin_api.configuration import PROFILES
from admin_api.domain_check.check import DomainChecker
from admin_api.domain_check.objects import DomainCheck
from admin_api.http import Route, operation
from admin_api.link_test import Web
from admin_api.resources import load_one
from admin_api.runtime import Pool
from config.settings import PublicPlace


class ProfileDomain:
    """The domain of one profile, as the world sees it."""

    def __init__(self, pool: Pool, checker: DomainChecker) -> None:
        self._pool = pool
        self._checker = checker

    @operation("Check the DNS and the certificate of a tracking domain")
    def on_get(self, req: falcon.Request, resp: falcon.Response, profile_id: int) -> DomainCheck:
        """The record to set, what is set now, whether that leads here, and the certificate that answers."""
        with self._pool.connection() as database:
            domain: str = load_one(database, PROFILES, profile_id)["domain"]
        return self._checker.check(domain)


def domain_check_routes(pool: Pool, place: PublicPlace, web: Web) -> list[Route]:
    """Return the route of the check."""
    return [Route("/v1/profiles/{profile_id}/domain", ProfileDomain(pool, DomainChecker(place, web)))]
