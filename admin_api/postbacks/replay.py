"""Replays: asking for postbacks to be read and judged again, and seeing how far that is and what it came to.

The worker does it. A replay is stored before its job is queued, so that a job that is lost is queued again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import falcon
from psycopg.types.json import Jsonb
from redis import Redis, RedisError
from rq import Queue

from admin_api.http.old import (
    PAGE_ROWS,
    Field,
    NotFoundError,
    actor_of,
    choice,
    decode_id,
    decode_limit,
    decode_number,
    decode_object,
    flag,
    matching,
    moment,
    object_id,
    refuse_unknown,
    text,
    validate_changes,
    validate_new,
)
from admin_api.runtime import Database, Pool, Row
from tracking.conversions import PostbackOutcome, PostbackReason
from tracking.runtime import FieldError, JobSerializer, QueueName, Task

POSTBACK_IDS_MAX = 1000
JOB_TIMEOUT_S = 120
_log = logging.getLogger("waypost.admin")
_REPLAY = (
    "select replay_id, filter, dry, state, found, examined, changed, outcomes, error, requested_by, created_at,"
    " updated_at, finished_at from replays"
)
_INSERT = "insert into replays (filter, dry, requested_by) values (%s, %s, %s) returning replay_id"
_JUDGEMENTS = (
    "select judgement_id, postback_id, judged_at, changed, before, after, note from postback_judgements"
    " where replay_id = %(replay_id)s and judgement_id > %(after)s and (not %(changed)s or changed)"
    " order by judgement_id limit %(limit)s"
)


def _postback_ids(value: Any, field: str) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= POSTBACK_IDS_MAX:
        raise FieldError(field, f"{field} must be a list of 1 to {POSTBACK_IDS_MAX} postback ids")
    return [str(_uuid(each, field)) for each in value]


def _moment(value: Any, field: str) -> str:
    found: datetime = moment(text(40)(value, field), field)
    return found.isoformat()


def _uuid(value: Any, field: str) -> UUID:
    try:
        return UUID(text(40)(value, field))
    except ValueError:
        raise FieldError(field, f"{field} must hold UUIDs, not {str(value)[:40]!r}") from None


# The names of GET /v1/postbacks, and a list of postbacks.
_FILTERS = (
    Field("postback_ids", _postback_ids),
    Field("outcome", choice(*PostbackOutcome)),
    Field("reason", choice(*PostbackReason)),
    Field("merchant_id", object_id),
    Field("event", matching("[a-z][a-z0-9_]{0,39}", "the word of an event type")),
    Field("from", _moment),
    Field("to", _moment),
)


def _filter(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        names = ", ".join(each.name for each in _FILTERS)
        raise FieldError(field, f"{field} must be an object of at least one of {names}")
    return validate_changes(_FILTERS, value)


_DRY = Field("dry", flag, default=False)
_MANY = (Field("filter", _filter), _DRY)


class ReplayRequests:
    """Stores replays and queues them up."""

    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis

    def accept(self, req: falcon.Request, resp: falcon.Response, wanted: Mapping[str, Any], dry: bool) -> None:
        """Store a replay of what `wanted` filters, queue it up and answer 202 with it."""
        with self._pool.connection() as database:
            replay_id = save_replay(database, wanted, dry, actor_of(req))
            resp.media = load_replay(database, replay_id)
        self._enqueue(replay_id)
        resp.status = falcon.HTTP_ACCEPTED
        resp.location = f"/v1/replays/{replay_id}"

    def _enqueue(self, replay_id: int) -> None:
        queue = Queue(QueueName.POSTBACKS.value, connection=self._redis, serializer=JobSerializer)
        try:
            queue.enqueue_call(
                Task.REPLAY.value,
                args=(replay_id,),
                timeout=JOB_TIMEOUT_S,
                result_ttl=0,
                failure_ttl=300,
                job_id=f"replay-{replay_id}-{uuid4().hex}",
            )
        except RedisError as error:
            _log.warning("replay %s begins when Redis is back: %s", replay_id, error)


class PostbackReplay:
    """Replaying one postback."""

    def __init__(self, requests: ReplayRequests, pool: Pool) -> None:
        self._requests = requests
        self._pool = pool

    def on_post(self, req: falcon.Request, resp: falcon.Response, postback_id: str) -> None:
        """Read and judge it again, or with `dry` show what would come of that."""
        known = _known_postback(self._pool, postback_id)
        # Nothing needs saying about one postback, so that there may be no body at all.
        wanted = validate_new((_DRY,), decode_object(req) if req.content_length else {})
        self._requests.accept(req, resp, {"postback_ids": [str(known)]}, wanted["dry"])


class ManyReplays:
    """Replaying all postbacks that a filter finds."""

    def __init__(self, requests: ReplayRequests) -> None:
        self._requests = requests

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read and judge them again, or with `dry` show what would come of that."""
        wanted = validate_new(_MANY, decode_object(req))
        self._requests.accept(req, resp, wanted["filter"], wanted["dry"])


class Replays:
    """All replays."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List them, the newest first."""
        refuse_unknown(req, ("limit", "cursor"))
        limit, before = decode_limit(req, PAGE_ROWS), decode_number(req, "cursor")
        query = f"{_REPLAY} where %(before)s::bigint is null or replay_id < %(before)s::bigint"
        with self._pool.connection() as database:
            rows = database.execute(
                f"{query} order by replay_id desc limit %(limit)s", {"before": before, "limit": limit + 1}
            ).fetchall()
        resp.media = _page(rows, limit, "replay_id")


class ReplayItem:
    """One replay."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, replay_id: str) -> None:
        """Show how far it is and what it came to."""
        with self._pool.connection() as database:
            resp.media = load_replay(database, decode_id(replay_id, "replay"))


class ReplayJudgements:
    """What a replay made of each postback, or would have made of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_get(self, req: falcon.Request, resp: falcon.Response, replay_id: str) -> None:
        """List the postbacks in the order in which they were received, all or those that changed."""
        refuse_unknown(req, ("changed", "limit", "cursor"))
        number, limit = decode_id(replay_id, "replay"), decode_limit(req, PAGE_ROWS)
        wanted = {
            "replay_id": number,
            "after": decode_number(req, "cursor") or 0,
            "changed": req.get_param_as_bool("changed") or False,
            "limit": limit + 1,
        }
        with self._pool.connection() as database:
            load_replay(database, number)
            rows = database.execute(_JUDGEMENTS, wanted).fetchall()
        resp.media = _page(rows, limit, "judgement_id")


def save_replay(database: Database, wanted: Mapping[str, Any], dry: bool, actor: str) -> int:
    """Store a replay to be done and return its id."""
    row = database.execute(_INSERT, [Jsonb(dict(wanted)), dry, actor]).fetchone()
    assert row is not None
    replay_id: int = row["replay_id"]
    return replay_id


def load_replay(database: Database, replay_id: int) -> Row:
    """Return a replay, or raise NotFoundError."""
    row = database.execute(f"{_REPLAY} where replay_id = %s", [replay_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no replay {replay_id}")
    return row


def _known_postback(pool: Pool, postback_id: str) -> UUID:
    try:
        known = UUID(postback_id)
    except ValueError:
        raise NotFoundError(f"there is no postback {postback_id[:40]}") from None
    with pool.connection() as database:
        if database.execute("select 1 from postbacks where postback_id = %s", [known]).fetchone() is None:
            raise NotFoundError(f"there is no postback {postback_id[:40]}")
    return known


def _page(rows: list[Row], limit: int, id_name: str) -> dict[str, Any]:
    shown = rows[:limit]
    return {"items": shown, "next_cursor": str(shown[-1][id_name]) if len(rows) > limit else None}
