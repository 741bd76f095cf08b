"""Keeps the local mirror equal to the configuration published in Redis.

Change sets are applied in order, each in one LMDB transaction. If one does not follow the version that the mirror has
(another epoch, a skipped version, a trimmed stream), everything is copied again, also in one transaction. While Redis
is away, flushed or empty, the mirror keeps the last good configuration.
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
    """Keeps one mirror up to date. `step` waits up to half a second for changes. Raises RedisError."""

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
            # Nothing is published yet. Wait for it, so that the agent does not ask again without a pause.
            fetch_changes(self._redis, "$", _BLOCK_MS)
            return
        for change_set in fetch_changes(self._redis, self._meta.last_id, _BLOCK_MS):
            if not self._apply(change_set):
                published = fetch_meta(self._redis)
                if published is not None:
                    self._resync(published)
                return

    def _check(self) -> None:
        """Compare with what is published: a Redis that was flushed or restored sends no change set about it."""
        published = fetch_meta(self._redis)
        if published is None:
            # Nothing is published yet, or Redis was flushed and the admin will publish again. The mirror stays as it
            # is.
            return
        self._checked_at = monotonic()
        if self._needs_resync(published):
            self._resync(published)
        else:
            self._confirmed_path.touch()

    def _needs_resync(self, published: PublishedMeta) -> bool:
        """Whether everything must be copied, since no change set of the stream leads to what is published."""
        current = self._meta
        if current is None or current.epoch != published.epoch or current.version > published.version:
            return True
        return current.version < published.version and current.last_id == published.last_id

    def _apply(self, change_set: ChangeSet) -> bool:
        """Apply one change set. Return False if everything has to be copied instead."""
        current = self._meta
        if current is None or change_set.epoch != current.epoch or change_set.previous < 0:
            return False
        if change_set.version <= current.version:
            # The last copy has it already; only the position in the stream moves on.
            self._meta = current._replace(last_id=change_set.stream_id)
            return True
        if change_set.previous != current.version:
            _log.warning(
                "version %d follows %d, the mirror has %d", change_set.version, change_set.previous, current.version
            )
            return False
        meta = mirror_meta(change_set.epoch, change_set.version, change_set.stream_id)
        self._mirror.apply(meta, change_set.changes)
        # Set last: after a failure, such as a full disk, the same change set is fetched and applied again.
        self._meta = meta
        return True

    def _resync(self, published: PublishedMeta) -> None:
        """Copy everything that is published, unless that is nothing and the mirror holds something."""
        entries = fetch_everything(self._redis)
        first = next(entries, None)
        if first is None and self._mirror_holds_something():
            if not self._refused_empty:
                _log.error("the published configuration is empty and the mirror is not; keeping the mirror")
            self._refused_empty = True
            if self._meta is not None:
                # The position moves on, so the stream's entry is not read again at once. Epoch and version stay, so
                # each check looks again.
                self._meta = self._meta._replace(last_id=published.last_id)
            return
        self._refused_empty = False
        meta = mirror_meta(published.epoch, published.version, published.last_id)
        self._mirror.replace(meta, chain([first] if first else [], entries))
        # Set last: if Redis goes away in the middle of the copy, the mirror is what it was.
        self._meta = meta
        self._confirmed_path.touch()
        _log.info("mirror resynced to version %d", published.version)

    def _mirror_holds_something(self) -> bool:
        meta = self._mirror.meta()
        return meta is not None and meta.entries > 0
