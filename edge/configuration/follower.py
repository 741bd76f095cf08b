"""Keeps the local mirror equal to the configuration published in Redis.

Change sets are applied in order, one LMDB transaction each. Anything that does not fit - another epoch, a version
skipped, a stream that was trimmed or lost - leads to a full resync, built in one transaction beside the living one.
Redis away, flushed or empty leaves the mirror as it is: the last good configuration goes on serving.
"""

from __future__ import annotations

import logging
from itertools import chain
from pathlib import Path
from time import monotonic

from redis import Redis

from config.configuration import (
    ChangeSet,
    MirrorMeta,
    MirrorWriter,
    PublishedMeta,
    fetch_changes,
    fetch_everything,
    fetch_meta,
    mirror_meta,
)

_log = logging.getLogger(__name__)
_BLOCK_MS = 500
_CHECK_INTERVAL_S = 2.0


class Follower:
    """Applies publication to one mirror. `step` waits up to half a second for changes. Raises RedisError."""

    def __init__(self, redis: Redis, mirror: MirrorWriter, confirmed_path: Path) -> None:
        self._redis = redis
        self._mirror = mirror
        self._confirmed_path = confirmed_path
        self._meta: MirrorMeta | None = mirror.meta()
        self._checked_at = -_CHECK_INTERVAL_S
        self._refused_empty = False

    def step(self) -> None:
        """Bring the mirror up to date once."""
        if monotonic() - self._checked_at >= _CHECK_INTERVAL_S:
            self._check()
        if self._meta is None:
            # Nothing is published yet. Waiting for it keeps the agent from asking again and again without a pause.
            fetch_changes(self._redis, "$", _BLOCK_MS)
            return
        for change_set in fetch_changes(self._redis, self._meta.last_id, _BLOCK_MS):
            if not self._apply(change_set):
                published = fetch_meta(self._redis)
                if published is not None:
                    self._resync(published)
                return

    def _check(self) -> None:
        """Compare with what is published, since a flushed or restored Redis sends no change that would tell."""
        published = fetch_meta(self._redis)
        if published is None:
            # Not published yet, or flushed: the admin publishes again, an empty Redis never empties the mirror.
            return
        self._checked_at = monotonic()
        if self._needs_resync(published) and not self._resync(published):
            return
        self._confirmed_path.touch()

    def _needs_resync(self, published: PublishedMeta) -> bool:
        """Whether no change set in the stream can bring the mirror to what is published."""
        current = self._meta
        if current is None or current.epoch != published.epoch or current.version > published.version:
            return True
        return current.version < published.version and current.last_id == published.last_id

    def _apply(self, change_set: ChangeSet) -> bool:
        """Apply one change set; False when only a full resync can help."""
        current = self._meta
        if current is None or change_set.epoch != current.epoch or change_set.previous < 0:
            return False
        if change_set.version <= current.version:
            # Already in the state a resync read; only the position moves on.
            self._meta = current._replace(last_id=change_set.stream_id)
            return True
        if change_set.previous != current.version:
            _log.warning(
                "version %d follows %d, the mirror has %d", change_set.version, change_set.previous, current.version
            )
            return False
        meta = mirror_meta(change_set.epoch, change_set.version, change_set.stream_id)
        self._mirror.apply(meta, change_set.changes)
        # Only now: after a failure (a full disk) the same change set is fetched and applied again.
        self._meta = meta
        return True

    def _resync(self, published: PublishedMeta) -> bool:
        """Copy everything that is published; False where that is nothing and the mirror holds something."""
        served = fetch_everything(self._redis)
        first = next(served, None)
        if first is None and self._mirror_holds_something():
            if not self._refused_empty:
                _log.error("the published configuration is empty and the mirror is not; keeping the mirror")
            self._refused_empty = True
            if self._meta is not None:
                # Epoch and version stay, so that each check looks again; the stream's entry is not read again at once.
                self._meta = self._meta._replace(last_id=published.last_id)
            return False
        self._refused_empty = False
        meta = mirror_meta(published.epoch, published.version, published.last_id)
        self._mirror.replace(meta, chain([first] if first else [], served))
        # Only now: Redis may be lost while it is copied, and then the mirror is what it was.
        self._meta = meta
        _log.info("mirror resynced to version %d", published.version)
        return True

    def _mirror_holds_something(self) -> bool:
        meta = self._mirror.meta()
        return meta is not None and meta.entries > 0
