"""The ids of signed postbacks that this host has received, in an LMDB file that its edge processes share.

It needs no Redis and outlives the processes; markers in Redis tell the other hosts. Both only let the edge answer a
replayed postback at once. What counts is decided by PostgreSQL, which holds each id of an account once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from threading import Lock
from time import time

import lmdb

from edge.postbacks.authentication import SIGNATURE_LIFETIME_S
from edge.spool import boot_id

_log = logging.getLogger(__name__)
# A signature is valid for its lifetime before and after its timestamp.
NONCE_TTL_S = 2 * SIGNATURE_LIFETIME_S + 60
_MAP_BYTES = 1 << 30
_PREFIX = "nonces-"
# The first byte of a key. Each id is kept twice: with its expiry as the value, and by expiry, to find the oldest ones.
_BY_ID, _BY_EXPIRY = b"\x00", b"\x01"
_EXPIRY_BYTES = 8
# More than one expired id is removed for each new one, so that the file becomes smaller after a flood.
_PURGED_AT_ONCE = 4


class NonceStore:
    """The received ids of this host. The file is opened with the first id, in the process that uses it."""

    def __init__(self, spool_dir: Path, now_s: Callable[[], float] = time) -> None:
        self._spool_dir = spool_dir
        self._now_s = now_s
        self._opening = Lock()
        self._environment: lmdb.Environment | None = None

    def claim(self, merchant_id: int, nonce: str) -> bool:
        """Note an id as received. Return False if it was received before; True also if the file cannot be written."""
        try:
            environment = self._open()
            with environment.begin(write=True) as transaction:
                return self._put(transaction, _key(merchant_id, nonce), int(self._now_s()))
        except (lmdb.Error, OSError) as error:
            _log.error("nonces cannot be kept on this host, replays are found by the worker alone: %s", error)
            return True

    def forget(self, merchant_id: int, nonce: str) -> None:
        """Remove an id whose postback could not be recorded and will be sent again."""
        try:
            with self._open().begin(write=True) as transaction:
                transaction.delete(_key(merchant_id, nonce))
        except (lmdb.Error, OSError) as error:
            _log.error("a nonce could not be taken back: %s", error)

    def close(self) -> None:
        """Release the file."""
        with self._opening:
            if self._environment is not None:
                self._environment.close()
                self._environment = None

    def _put(self, transaction: lmdb.Transaction[bytes], key: bytes, now: int) -> bool:
        expiry = (now + NONCE_TTL_S).to_bytes(_EXPIRY_BYTES, "big")
        before = transaction.get(key)
        if before is not None and int.from_bytes(before, "big") > now:
            return False
        transaction.put(key, expiry)
        transaction.put(_BY_EXPIRY + expiry + key, b"")
        self._purge(transaction, now)
        return True

    def _purge(self, transaction: lmdb.Transaction[bytes], now: int) -> None:
        with transaction.cursor() as cursor:
            found = cursor.set_range(_BY_EXPIRY)
            for _ in range(_PURGED_AT_ONCE):
                if not found or int.from_bytes(cursor.key()[1 : 1 + _EXPIRY_BYTES], "big") > now:
                    return
                key = cursor.key()[1 + _EXPIRY_BYTES :]
                expiry = transaction.get(key)
                if expiry is not None and int.from_bytes(expiry, "big") <= now:
                    transaction.delete(key)
                found = cursor.delete()

    def _open(self) -> lmdb.Environment:
        with self._opening:
            if self._environment is None:
                name = f"{_PREFIX}{boot_id()}"
                # The file is not synced, so a power cut may damage it. Each boot begins a new one.
                for path in self._spool_dir.glob(f"{_PREFIX}*"):
                    if path.name != name:
                        rmtree(path, ignore_errors=True)
                self._environment = lmdb.open(
                    str(self._spool_dir / name), map_size=_MAP_BYTES, sync=False, metasync=False, mode=0o600
                )
            return self._environment


def _key(merchant_id: int, nonce: str) -> bytes:
    return _BY_ID + blake2b(f"{merchant_id}:{nonce}".encode(), digest_size=16).digest()
