"""The routes of rotations."""

from __future__ import annotations

from admin_api.http import Route
from admin_api.resources import Addresses, resource_routes
from admin_api.routing.rotations import ROTATIONS
from admin_api.runtime import Pool
from admin_api.versions import version_routes


def routing_routes(pool: Pool, addresses: Addresses) -> list[Route]:
    """Return the routes of rotations."""
    return [*resource_routes(ROTATIONS, pool, addresses), *version_routes(ROTATIONS, pool, addresses)]
