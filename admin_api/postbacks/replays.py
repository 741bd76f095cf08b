"""Replays: requests to read and judge postbacks again. They show their progress and their result.

The worker carries them out. A replay is stored before its job is queued, so that a lost job is queued again.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from uuid import UUID, uuid4

import falcon
from redis import Redis, RedisError
from rq import Queue

from admin_api.http import OUTDATED, NumberedPageQuery, Page, actor_of, operation, page_of
from admin_api.postbacks.replay_objects import (
    Judgement,
    JudgementQuery,
    OneReplayBody,
    PostbacksReplayed,
    Replay,
    ReplayBody,
    show_judgement,
    show_replay,
)
from admin_api.postbacks.replay_preview import preview_replay, require_moment
from admin_api.postbacks.replay_table import (
    Wanted,
    load_judgements,
    load_replay,
    load_replays,
    require_postback,
    save_replay,
)
from admin_api.runtime import Pool
from tracking.runtime import REPLAY_JOB_OPTIONS, JobSerializer, QueueName, Task

_log = logging.getLogger("waypost.admin")


class ReplayRequests:
    """Stores replays and queues them."""

    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis

    def accept(self, req: falcon.Request, resp: falcon.Response, wanted: Wanted) -> Replay:
        """Store a replay, queue it and return it."""
        with self._pool.connection() as database:
            row = save_replay(database, wanted, actor_of(req))
        self._enqueue(row["replay_id"])
        resp.location = f"/v1/replays/{row['replay_id']}"
        return show_replay(row)

    def _enqueue(self, replay_id: int) -> None:
        queue = Queue(QueueName.POSTBACKS.value, connection=self._redis, serializer=JobSerializer)
        try:
            queue.enqueue_call(
                Task.REPLAY.value,
                args=(replay_id,),
                **REPLAY_JOB_OPTIONS,
                job_id=f"replay-{replay_id}-{uuid4().hex}",
            )
        except RedisError as error:
            _log.warning("replay %s begins when Redis is back: %s", replay_id, error)


class PostbackReplay:
    """Replays one postback."""

    def __init__(self, requests: ReplayRequests, pool: Pool) -> None:
        self._requests = requests
        self._pool = pool

    @operation("Replay a postback", statuses=(HTTPStatus.ACCEPTED,), body_required=False)
    def on_post(self, req: falcon.Request, resp: falcon.Response, postback_id: UUID, body: OneReplayBody) -> Replay:
        """Read it again and decide its outcome again. With `dry`, only show what would change."""
        with self._pool.connection() as database:
            require_postback(database, postback_id)
        return self._requests.accept(req, resp, Wanted({"postback_ids": [str(postback_id)]}, body.dry))


class PostbacksReplay:
    """Replays all postbacks that a filter finds."""

    def __init__(self, requests: ReplayRequests, pool: Pool) -> None:
        self._requests = requests
        self._pool = pool

    @operation("Replay postbacks", statuses=(HTTPStatus.ACCEPTED, HTTPStatus.OK), conflicts=(OUTDATED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: ReplayBody) -> PostbacksReplayed:
        """Read them again and decide their outcomes again, once you have seen how many they are.

        Without a token the answer is a preview, with status 200; repeat it with its token. With `dry`, nothing changes:
        the replay only shows what would change, and begins at once.
        """
        if body.token is None and not body.dry:
            with self._pool.connection() as database:
                count, token = preview_replay(database, body.filter)
            resp.status = HTTPStatus.OK
            return PostbacksReplayed(count=count, token=token, replay=None)
        stored_by = None if body.token is None else require_moment(body.filter, body.token)
        replay = self._requests.accept(req, resp, Wanted(body.filter.stated(), body.dry, stored_by))
        return PostbacksReplayed(count=None, token=None, replay=replay)


class Replays:
    """All replays."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List replays")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: NumberedPageQuery) -> Page[Replay]:
        """The newest replays come first."""
        with self._pool.connection() as database:
            rows = load_replays(database, query.cursor, query.limit + 1)
        return page_of(Page[Replay], rows, query.limit, show_replay, lambda row: str(row["replay_id"]))


class ReplayItem:
    """One replay."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show a replay")
    def on_get(self, req: falcon.Request, resp: falcon.Response, replay_id: int) -> Replay:
        """The answer shows its progress and its result."""
        with self._pool.connection() as database:
            return show_replay(load_replay(database, replay_id))


class ReplayJudgements:
    """What a replay did to each postback, or would have done."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List what a replay came to")
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, replay_id: int, query: JudgementQuery
    ) -> Page[Judgement]:
        """They are in the order in which the postbacks were received."""
        with self._pool.connection() as database:
            load_replay(database, replay_id)
            rows = load_judgements(database, replay_id, query.after, query.limit + 1, changed=query.changed)
        return page_of(Page[Judgement], rows, query.limit, show_judgement, lambda row: str(row["judgement_id"]))
