"""The local mirror of the published configuration: an LMDB file that every edge process of a host maps and shares.

The agent writes it, one transaction a change set; edge processes only read. It survives reboots, so a host serves with
Redis away.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import time
from typing import NamedTuple

import lmdb
import orjson

from config.served import link_key, profile_key

_META_KEY = b"!meta"
_VERSION_KEY = b"!version"
# Beside the LMDB file: one counter that the writer raises after each commit, so that readers need not ask LMDB.
_CHANGES_NAME = "changes"
_CHANGES_BYTES = 8


class MirrorMeta(NamedTuple):
    """What the mirror holds. `last_id` is the stream position it corresponds to, `applied_at` Unix seconds."""

    epoch: str
    version: int
    last_id: str
    applied_at: float
    entries: int


class Lookup(NamedTuple):
    """What the mirror knows of one request, from one state of it. `version` is None while the mirror is empty.

    `of_profile` says that the link belongs to the host's profile, not to no profile at all.
    """

    version: int | None
    profile: bytes | None
    link: bytes | None
    of_profile: bool


class MirrorReader:
    """Reads the mirror in one process. Open it after fork; not shared between threads without the caller's lock."""

    def __init__(self, directory: Path) -> None:
        # map_size 0 is the writer's own limit. Any other value must hold all that is ever written: beyond it each read
        # fails, and lmdb's default is 10 MB.
        self._environment = lmdb.open(
            str(directory), map_size=0, readonly=True, create=False, readahead=False, max_spare_txns=4, max_readers=1024
        )
        self._changes = _map_changes(directory)

    def changes(self) -> int:
        """Return a number that grows after each change of the mirror.

        PERF: a word of shared memory, so that a remembered decision takes 0.3 microseconds in all (`python -m
        tests.own_cost`) where asking LMDB for the version took 1.
        """
        return self._changes[0]

    def get(self, *keys: str) -> list[bytes | None]:
        """Return the values of some keys, all from one state of the mirror."""
        with self._begin() as transaction:
            return [transaction.get(key.encode("utf-8", "replace")) for key in keys]

    def lookup(self, host: str, slug: str) -> Lookup:
        """Return the profile of `host` and its link `slug`, or else the link `slug` that belongs to no profile."""
        with self._begin() as transaction:
            version = transaction.get(_VERSION_KEY)
            if version is None:
                return Lookup(None, None, None, False)
            profile = transaction.get(profile_key(host).encode("utf-8", "replace"))
            link = None
            if profile is not None:
                # PERF: the profile's id is its first field, so the link's key needs no JSON decoding.
                link = transaction.get(b"l:%b:%b" % (profile[1 : profile.index(b",")], slug.encode("utf-8", "replace")))
            of_profile = link is not None
            if link is None:
                link = transaction.get(link_key(None, slug).encode("utf-8", "replace"))
            return Lookup(int(version), profile, link, of_profile)

    def meta(self) -> MirrorMeta | None:
        """Return what the mirror holds, or None while it is empty."""
        with self._begin() as transaction:
            return _decode_meta(transaction.get(_META_KEY))

    def _begin(self) -> lmdb.Transaction[bytes]:
        try:
            return self._environment.begin()
        except lmdb.MapResizedError:
            # The agent was started again with a larger MIRROR_MAX_BYTES and has used it.
            self._environment.set_mapsize(0)
            return self._environment.begin()

    def close(self) -> None:
        """Release the file."""
        self._environment.close()


def make_mirror(directory: Path, max_bytes: int) -> None:
    """Make an empty mirror where there is none, so that readers can open it before the agent has ever run."""
    if not (directory / "data.mdb").exists():
        MirrorWriter(directory, max_bytes).close()


class MirrorWriter(MirrorReader):
    """The agent's side of the mirror. One writer a host, guarded by the agent's own lock."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._environment = lmdb.open(str(directory), map_size=max_bytes, metasync=False, max_readers=1024)
        self._environment.reader_check()
        self._changes = _map_changes(directory)
        # A writer that was killed after its last commit may not have come to say so.
        self._changes[0] += 1

    def apply(self, meta: MirrorMeta, changes: Mapping[str, bytes | None]) -> None:
        """Apply one change set in one transaction."""
        with self._environment.begin(write=True) as transaction:
            for key, value in changes.items():
                if value is None:
                    transaction.delete(key.encode())
                else:
                    transaction.put(key.encode(), value)
            _put_meta(transaction, meta)
        self._changes[0] += 1

    def replace(self, meta: MirrorMeta, served: Iterable[tuple[str, bytes]]) -> None:
        """Make the mirror equal to `served`, in one transaction: readers see the old state or the new one."""
        with self._environment.begin(write=True) as transaction:
            transaction.drop(self._environment.open_db(None, txn=transaction), delete=False)
            for key, value in served:
                transaction.put(key.encode(), value)
            _put_meta(transaction, meta)
        self._changes[0] += 1

    def close(self) -> None:
        """Flush and release the file."""
        self._environment.sync(True)
        self._environment.close()


def stamp(epoch: str, version: int, last_id: str) -> MirrorMeta:
    """Return the meta record of a state applied now; `entries` is filled in when it is written."""
    return MirrorMeta(epoch, version, last_id, time(), 0)


def _map_changes(directory: Path) -> memoryview:
    descriptor = os.open(directory / _CHANGES_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(descriptor).st_size < _CHANGES_BYTES:
            os.ftruncate(descriptor, _CHANGES_BYTES)
        return memoryview(mmap.mmap(descriptor, _CHANGES_BYTES)).cast("Q")
    finally:
        os.close(descriptor)


def _put_meta(transaction: lmdb.Transaction, meta: MirrorMeta) -> None:
    transaction.put(_VERSION_KEY, b"%d" % meta.version)
    transaction.put(_META_KEY, b"")
    entries = int(transaction.stat()["entries"]) - 2
    transaction.put(_META_KEY, orjson.dumps(tuple(meta._replace(entries=entries))))


def _decode_meta(data: bytes | None) -> MirrorMeta | None:
    return None if data is None else MirrorMeta(*orjson.loads(data))
