"""The published configuration in Redis: a hash of everything, and a stream of change sets. Only the admin writes it.

A change set is one entry of the stream: `version`, `previous` (the version that it follows) and `changes`, a JSON
object from keys to published texts, null for a deletion. The hash always has the state after the newest entry, since
both are written in one MULTI. Whenever everything is written again, the `epoch` is a new one, and agents copy
everything.

Nothing is written unless Redis still holds what the publisher saw last. If another publisher was there, or Redis was
flushed or lost its newest writes, this raises StalePublicationError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import WatchError

from config.configuration.published import PUBLISHED_FORMAT
from tracking.runtime import WaypostError

HASH_KEY = "waypost:config"
DRAFT_KEY = "waypost:config:draft"
META_KEY = "waypost:config:meta"
STREAM_KEY = "waypost:config:changes"
# How many change sets are kept for agents that are away. Of large ones, as in an import, fewer are kept, so that the
# stream takes 200 MB at most. An agent that was away for longer copies everything: a million links in seconds.
STREAM_LENGTH = 10_000
STREAM_LENGTH_OF_LARGE = 1_000
_LARGE_BYTES = 10_000
PROGRESS_KEY = "waypost:progress"
SPOOLS_KEY = "waypost:spools"
HOSTS_KEY = "waypost:hosts"

Changes = Mapping[str, bytes | None]


class StalePublicationError(WaypostError):
    """Redis holds another state than this publication was made for. Nothing was written."""

    code = "stale-publication"


class PublishedMeta(NamedTuple):
    """What is published now. `last_id` is the position in the stream from which to follow the changes."""

    epoch: str
    version: int
    last_id: str


class ChangeSet(NamedTuple):
    """One entry of the stream."""

    stream_id: str
    epoch: str
    version: int
    previous: int
    changes: dict[str, bytes | None]


def publish(redis: Redis, epoch: str, previous: int, version: int, changes: Changes) -> None:
    """Apply one change set to the hash and append it to the stream, atomically.

    Raises StalePublicationError unless Redis holds version `previous` of `epoch`.
    """
    kept: dict[Any, Any] = {key: value for key, value in changes.items() if value is not None}
    gone = [key for key, value in changes.items() if value is None]
    texts = {key: None if value is None else value.decode() for key, value in changes.items()}
    with redis.pipeline(transaction=True) as pipeline:
        # RACE: if Redis is flushed after the caller looked, this write would leave a hash of these few keys only.
        pipeline.watch(META_KEY, HASH_KEY)  # type: ignore[no-untyped-call]
        held = _held(pipeline)
        if held != (epoch, previous) or not pipeline.exists(HASH_KEY):
            raise StalePublicationError(f"Redis holds {held}, not version {previous} of epoch {epoch}")
        pipeline.multi()
        if kept:
            pipeline.hset(HASH_KEY, mapping=kept)
        if gone:
            pipeline.hdel(HASH_KEY, *gone)
        _announce(pipeline, epoch, previous, version, orjson.dumps(texts))


def publish_everything(redis: Redis, epoch: str, version: int, entries: Iterable[tuple[str, bytes]]) -> None:
    """Publish the whole configuration under a new epoch. It is written aside and renamed, so nobody sees a part of it.

    Raises StalePublicationError if something else was published or Redis was flushed in the meantime.
    """
    held = _held(redis)
    # Remove the drafts of publishers that died. Each epoch has its own draft, so two publishers cannot mix theirs.
    for left_over in redis.scan_iter(match=f"{DRAFT_KEY}:*", count=1000):
        redis.unlink(left_over)
    draft = f"{DRAFT_KEY}:{epoch}"
    # With this field, which no reader uses, an empty configuration differs from a lost one.
    chunk: dict[Any, Any] = {"!": b"1"}
    count = 1
    for key, value in entries:
        chunk[key] = value
        count += 1
        if len(chunk) == 1000:
            redis.hset(draft, mapping=chunk)
            chunk = {}
    if chunk:
        redis.hset(draft, mapping=chunk)
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.watch(META_KEY, draft)  # type: ignore[no-untyped-call]
        if _held(pipeline) != held or pipeline.hlen(draft) != count:
            raise StalePublicationError(f"Redis was published to or flushed while epoch {epoch} was being written")
        pipeline.multi()
        pipeline.unlink(HASH_KEY)
        pipeline.rename(draft, HASH_KEY)
        _announce(pipeline, epoch, -1, version, b"{}")


def fetch_meta(redis: Redis) -> PublishedMeta | None:
    """Return what is published now, None if Redis has nothing in this release's format."""
    pipeline = redis.pipeline(transaction=True)
    pipeline.hmget(META_KEY, "epoch", "version", "format")
    pipeline.xrevrange(STREAM_KEY, count=1)
    pipeline.exists(HASH_KEY)
    (epoch, version, written), entries, exists = pipeline.execute()
    if epoch is None or version is None or written != b"%d" % PUBLISHED_FORMAT or not exists:
        return None
    return PublishedMeta(epoch.decode(), int(version), entries[0][0].decode() if entries else "0-0")


def fetch_everything(redis: Redis) -> Iterator[tuple[str, bytes]]:
    """Yield every published key and value. If something changes meanwhile, the stream after `last_id` has the
    change.
    """
    for key, value in redis.hscan_iter(HASH_KEY, count=2000):
        if key != b"!":
            yield key.decode(), value


def fetch_changes(redis: Redis, last_id: str, block_ms: int) -> list[ChangeSet]:
    """Return the change sets after `last_id`, waiting up to `block_ms` for the first one."""
    answer: Any = redis.xread({STREAM_KEY: last_id}, count=100, block=block_ms)
    if not answer:
        return []
    entries = answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))
    if entries and isinstance(entries[0], list):  # With RESP3 the entries are wrapped once more.
        entries = entries[0]
    return [_change_set(stream_id.decode(), fields) for stream_id, fields in entries]


def _held(redis: Redis) -> tuple[str, int] | None:
    """Return the epoch and version in Redis."""
    held: Any = redis.hmget(META_KEY, "epoch", "version")
    epoch, version = held
    return None if epoch is None or version is None else (epoch.decode(), int(version))


def _announce(pipeline: Pipeline, epoch: str, previous: int, version: int, changes: bytes) -> None:
    """Add the entry of the stream and the new epoch and version to a transaction, and execute it."""
    entry: dict[Any, Any] = {
        "epoch": epoch,
        "version": str(version),
        "previous": str(previous),
        "changes": changes,
    }
    length = STREAM_LENGTH if len(changes) < _LARGE_BYTES else STREAM_LENGTH_OF_LARGE
    pipeline.xadd(STREAM_KEY, entry, maxlen=length, approximate=True)
    pipeline.hset(META_KEY, mapping={"epoch": epoch, "version": str(version), "format": str(PUBLISHED_FORMAT)})
    try:
        pipeline.execute()
    except WatchError as error:
        raise StalePublicationError("Redis was written to while this publication was being prepared") from error


def _change_set(stream_id: str, fields: Mapping[bytes, bytes]) -> ChangeSet:
    changes: dict[str, str | None] = orjson.loads(fields[b"changes"])
    return ChangeSet(
        stream_id=stream_id,
        epoch=fields[b"epoch"].decode(),
        version=int(fields[b"version"]),
        previous=int(fields[b"previous"]),
        changes={key: None if value is None else value.encode() for key, value in changes.items()},
    )
