"""The route of caps."""

from __future__ import annotations

from redis import Redis

from admin_api.caps.caps import Caps
from admin_api.http import Route
from admin_api.runtime import Pool


def cap_routes(pool: Pool, redis: Redis) -> list[Route]:
    """Return the route of caps."""
    return [Route("/v1/caps", Caps(pool, redis))]
