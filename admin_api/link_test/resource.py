"""The routes that test a link, or a link of a profile."""

from __future__ import annotations

import falcon

from admin_api.configuration import LINKS, PROFILES
from admin_api.http import ConflictError, Route, operation
from admin_api.link_test.chain import LinkTester
from admin_api.link_test.objects import AskedClick, AskedProfileClick, LinkTest
from admin_api.resources import Addresses, load_one
from admin_api.runtime import Database, Pool, Row

# The link that is named, else the newest active one.
_LINK_OF_PROFILE = (
    "select link_id from links where profile_id = %s and (link_id = %s or (%s::bigint is null and active))"
    " order by link_id desc limit 1"
)


class LinkTests:
    """Test clicks on one link."""

    def __init__(self, pool: Pool, addresses: Addresses, tester: LinkTester) -> None:
        self._pool = pool
        self._addresses = addresses
        self._tester = tester

    @operation("Test a link with a click that is not recorded", conflicts=("test-running",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, link_id: int, body: AskedClick) -> LinkTest:
        """The click is followed to the page where it ends. Everyone on the way sees a request like a visitor's."""
        with self._pool.connection() as database:
            row = load_one(database, LINKS, link_id)
        return tested(row, body, self._pool, self._addresses, self._tester)


class ProfileTests:
    """Test clicks on a link of one profile."""

    def __init__(self, pool: Pool, addresses: Addresses, tester: LinkTester) -> None:
        self._pool = pool
        self._addresses = addresses
        self._tester = tester

    @operation("Test a profile with a click that is not recorded", conflicts=("nothing-to-test", "test-running"))
    def on_post(self, req: falcon.Request, resp: falcon.Response, profile_id: int, body: AskedProfileClick) -> LinkTest:
        """As the test of a link, of the link that is named or the newest active one."""
        with self._pool.connection() as database:
            load_one(database, PROFILES, profile_id)
            found = database.execute(_LINK_OF_PROFILE, [profile_id, body.link_id, body.link_id]).fetchone()
            if found is None:
                said = "the profile has no such link" if body.link_id else "the profile has no active link to test"
                raise ConflictError(f"{said}; create one at /v1/links", code="nothing-to-test", field="link_id")
            row = load_one(database, LINKS, found["link_id"])
        return tested(row, body, self._pool, self._addresses, self._tester)


def tested(row: Row, click: AskedClick, pool: Pool, addresses: Addresses, tester: LinkTester) -> LinkTest:
    """Return the test of a link. No connection of the pool is held while others are asked."""

    def is_own(host: str) -> bool:
        with pool.connection() as database:
            return _has_profile(database, host)

    chain = tester.follow(addresses.link_url(row["domain"], row["slug"]), click, is_own)
    return LinkTest(link_id=row["link_id"], end=chain.end, hops=chain.hops)


def _has_profile(database: Database, host: str) -> bool:
    return database.execute("select 1 from profiles where domain = %s", [host]).fetchone() is not None


def link_test_routes(pool: Pool, addresses: Addresses, tester: LinkTester) -> list[Route]:
    """Return the routes of tests."""
    return [
        Route("/v1/links/{link_id}/test", LinkTests(pool, addresses, tester)),
        Route("/v1/profiles/{profile_id}/test", ProfileTests(pool, addresses, tester)),
    ]
