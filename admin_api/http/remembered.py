"""Callers of what must answer while PostgreSQL is away, such as the page of health. They are remembered for a while.

SECURITY: whoever lost a right in these minutes still sees health, and nothing else, until PostgreSQL is back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from threading import Lock
from time import monotonic

import falcon
import psycopg

from admin_api.runtime import Actor

ANSWERED_WITHOUT_DATABASE = frozenset({"/v1/health"})
KEPT_S = 900.0
# For this long after PostgreSQL did not answer nobody waits for it again.
RETRY_S = 5.0
_CALLERS_MAX = 256


class RememberedCallers:
    """Who called these paths of late, by the hash of what they proved themselves with."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._callers: OrderedDict[bytes, tuple[float, Actor]] = OrderedDict()
        self._failed_at = -RETRY_S

    def identify(self, req: falcon.Request, ask: Callable[[], Actor]) -> Actor:
        """Return who calls, as `ask` says, or as it said before if PostgreSQL is away. Raises what `ask` raises."""
        if req.path not in ANSWERED_WITHOUT_DATABASE:
            return ask()
        proof = f"{req.get_header('Authorization')}\n{req.get_header('Cookie')}"
        key = sha256(proof.encode(errors="surrogateescape")).digest()
        known = self._known(key)
        if known is not None and self._clock() - self._failed_at < RETRY_S:
            return known
        try:
            actor = ask()
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._failed_at = self._clock()
            if known is None:
                raise
            return known
        except Exception:
            with self._lock:
                self._callers.pop(key, None)
            raise
        with self._lock:
            self._callers[key] = (self._clock(), actor)
            self._callers.move_to_end(key)
            while len(self._callers) > _CALLERS_MAX:
                self._callers.popitem(last=False)
        return actor

    def _known(self, key: bytes) -> Actor | None:
        with self._lock:
            at, actor = self._callers.get(key, (0.0, None))
        return actor if actor is not None and self._clock() - at < KEPT_S else None
