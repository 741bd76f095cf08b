"""The rotations that one edge process knows, read from the mirror when a rule first needs them."""

from __future__ import annotations

import logging
from threading import Lock

from config.configuration import MirrorReader, decode_array, rotation_key
from tracking.routing import UNREADABLE, Rotation, decode_rotation

_log = logging.getLogger(__name__)


class Rotations:
    """Rotations by id. One that is missing or that this release cannot read is None: its weight goes to the others."""

    def __init__(self, mirror: MirrorReader) -> None:
        self._mirror = mirror
        self._known: dict[int, Rotation | None] = {}
        self._round = 0
        self._lock = Lock()

    def get(self, rotation_id: int) -> Rotation | None:
        """Return a rotation as it was published last."""
        if rotation_id in self._known:
            return self._known[rotation_id]
        round_ = self._round
        rotation = self._load(rotation_id)
        with self._lock:
            # RACE: what was read before `forget` may be older than the change.
            if round_ == self._round:
                self._known[rotation_id] = rotation
        return rotation

    def forget(self) -> None:
        """Forget all, since something in the mirror changed."""
        with self._lock:
            self._round += 1
            self._known = {}

    def _load(self, rotation_id: int) -> Rotation | None:
        data = self._mirror.get(rotation_key(rotation_id))[0]
        if data is None:
            return None
        try:
            return decode_rotation(decode_array(data))
        except UNREADABLE as error:
            _log.error("rotation %s cannot be read: %s", rotation_id, error)
            return None
