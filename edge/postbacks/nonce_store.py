"""The ids of signed postbacks that were received already, shared by all edge processes of a host.

An LMDB file beside the spools, which needs no Redis and outlives its processes; Redis tells the other hosts, as far as
it answers. Both only give the early answer: PostgreSQL holds each id of an account once, and has the last word.
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
# A signature is good until its timestamp is so old, and may be dated so far ahead.
NONCE_TTL_S = 2 * SIGNATURE_LIFETIME_S + 60
_MAP_BYTES = 1 << 30
_PREFIX = "nonces-"
# The first byte of a key: ids with their expiry, and the same by expiry, so that the oldest are found.
_BY_ID, _BY_EXPIRY = b"\x00", b"\x01"
_EXPIRY_BYTES = 8
# More than one leaves for each that comes, so that the file shrinks to what is needed.
_PURGED_AT_ONCE = 4


class NonceStore:
    """The received ids of this host. Opens its file when the first one comes, in the process that uses it."""

    def __init__(self, spool_dir: Path, now_s: Callable[[], float] = time) -> None:
        self._spool_dir = spool_dir
        self._now_s = now_s
        self._opening = Lock()
        self._environment: lmdb.Environment | None = None

    def claim(self, merchant_id: int, nonce: str) -> bool:
        """Note an id as received; False where it was before. True too when the file cannot be written."""
        try:
            environment = self._open()
            with environment.begin(write=True) as transaction:
                return self._put(transaction, _key(merchant_id, nonce), int(self._now_s()))
        except (lmdb.Error, OSError) as error:
            _log.error("nonces cannot be kept on this host, replays are found by the worker alone: %s", error)
            return True

    def forget(self, merchant_id: int, nonce: str) -> None:
        """Take a claim back: the postback could not be stored, and is to be sent again."""
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
                # Not synced to disk: a power cut may spoil the file, so each boot begins a new one.
                for path in self._spool_dir.glob(f"{_PREFIX}*"):
                    if path.name != name:
                        rmtree(path, ignore_errors=True)
                self._environment = lmdb.open(
                    str(self._spool_dir / name), map_size=_MAP_BYTES, sync=False, metasync=False, mode=0o600
                )
            return self._environment


def _key(merchant_id: int, nonce: str) -> bytes:
    return _BY_ID + blake2b(f"{merchant_id}:{nonce}".encode(), digest_size=16).digest()
