"""The routes of postbacks and their replays."""

from __future__ import annotations

from redis import Redis

from admin_api.http import Route
from admin_api.postbacks.postbacks import Postbacks
from admin_api.postbacks.replays import (
    PostbackReplay,
    PostbacksReplay,
    ReplayItem,
    ReplayJudgements,
    ReplayRequests,
    Replays,
)
from admin_api.runtime import Pool


def postback_routes(pool: Pool, redis: Redis) -> list[Route]:
    """Return the routes of postbacks and replays."""
    requests = ReplayRequests(pool, redis)
    return [
        Route("/v1/postbacks", Postbacks(pool)),
        Route("/v1/postbacks/replay", PostbacksReplay(requests, pool)),
        Route("/v1/postbacks/{postback_id}/replay", PostbackReplay(requests, pool)),
        Route("/v1/replays", Replays(pool)),
        Route("/v1/replays/{replay_id}", ReplayItem(pool)),
        Route("/v1/replays/{replay_id}/judgements", ReplayJudgements(pool)),
    ]
