"""The local mirror of the published configuration: an LMDB file that all edge processes of a host map.

The agent writes each change set in one transaction; edge processes only read. The mirror survives reboots, so a host
can start while Redis is away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import time
from typing import NamedTuple

import lmdb
import orjson

from config.configuration.key_order import in_key_order
from config.configuration.mirror_changes import MirrorChanges
from config.configuration.published import PUBLISHED_FORMAT, link_key, profile_key

_log = logging.getLogger(__name__)
# The keys contain the format, so a mirror that another release wrote counts as empty, and the agent fills it again.
_META_KEY = b"!meta:%d" % PUBLISHED_FORMAT
_VERSION_KEY = b"!version:%d" % PUBLISHED_FORMAT
_MODE = 0o600
_FILE_NAME = "data.mdb"


class MirrorMeta(NamedTuple):
    """The state of the mirror. `last_id` is its position in the stream of changes, `applied_at` Unix seconds."""

    epoch: str
    version: int
    last_id: str
    applied_at: float
    entries: int


class Lookup(NamedTuple):
    """The encoded profile and link of one request, both from one state. `version` is None while the mirror is empty.

    `of_profile` tells whether the link belongs to the host's profile or to no profile at all.
    """

    version: int | None
    profile: bytes | None
    link: bytes | None
    of_profile: bool


class MirrorReader:
    """Reads the mirror in one process, from any of its threads. Open it after fork."""

    def __init__(self, directory: Path) -> None:
        # map_size 0 means the size that the writer has set. With any other one, such as lmdb's default of 10 MB, every
        # read fails once the file is larger.
        self._environment = lmdb.open(
            str(directory), map_size=0, readonly=True, create=False, readahead=False, max_spare_txns=4, max_readers=1024
        )
        # Killed processes leave entries in the table of readers. When that is full, no new process could read.
        self._environment.reader_check()
        # PERF: with this word of shared memory, a cached decision takes 0.3 microseconds (`python -m tests.own_cost`).
        # Asking LMDB for the version took 1.
        self.changes = MirrorChanges(directory)

    def get(self, *keys: str) -> list[bytes | None]:
        """Return the values of some keys, all from one state of the mirror."""
        return self._values([key.encode("utf-8", "replace") for key in keys])

    def lookup(self, host: str, slug: str) -> Lookup:
        """Return the profile of `host` and its link `slug`, else the link `slug` that belongs to no profile."""
        try:
            with self._begin() as transaction:
                return _look_up(transaction, host, slug)
        except lmdb.Error as error:
            _require_ended(error)
            with self._begin() as transaction:
                return _look_up(transaction, host, slug)

    def with_prefix(self, prefix: str) -> list[tuple[str, bytes]]:
        """Return the entries whose key begins with `prefix`, all from one state of the mirror."""
        start = prefix.encode()
        with self._begin() as transaction:
            cursor = transaction.cursor()
            found = []
            if cursor.set_range(start):
                for key, value in cursor:
                    if not key.startswith(start):
                        break
                    found.append((key.decode(), bytes(value)))
            return found

    def meta(self) -> MirrorMeta | None:
        """Return the state of the mirror, None while it is empty."""
        return _decode_meta(self._values([_META_KEY])[0])

    def _values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        try:
            with self._begin() as transaction:
                return [transaction.get(key) for key in keys]
        except lmdb.Error as error:
            _require_ended(error)
            with self._begin() as transaction:
                return [transaction.get(key) for key in keys]

    def _begin(self) -> lmdb.Transaction[bytes]:
        try:
            return self._environment.begin()
        except lmdb.MapResizedError:
            # The agent was restarted with a larger MIRROR_MAX_BYTES, and the file is larger now.
            self._environment.set_mapsize(0)
            return self._environment.begin()

    def close(self) -> None:
        """Release the file."""
        self._environment.close()


def _look_up(transaction: lmdb.Transaction[bytes], host: str, slug: str) -> Lookup:
    get = transaction.get
    version = get(_VERSION_KEY)
    if version is None:
        return Lookup(None, None, None, False)
    profile = get(profile_key(host).encode("utf-8", "replace"))
    if profile is not None:
        # PERF: the profile's id is its first field, so the profile need not be decoded for the link's key.
        link = get(b"l:%b:%b" % (profile[1 : profile.index(b",")], slug.encode("utf-8", "replace")))
        if link is not None:
            return Lookup(int(version), profile, link, True)
    return Lookup(int(version), profile, get(link_key(None, slug).encode("utf-8", "replace")), False)


def _require_ended(error: lmdb.Error) -> None:
    """Raise `error` again, unless it says that the transaction has ended; lmdb has no class of its own for that.

    RACE: another thread has just mapped the larger file, and that ends all transactions of the process.
    """
    if type(error) is not lmdb.Error:
        raise error


def create_mirror(directory: Path, max_bytes: int) -> None:
    """Make an empty mirror if there is none, so that edge processes can start before the agent has ever run."""
    file = directory / _FILE_NAME
    # A process that was killed as it made the mirror leaves an empty file.
    if not file.exists() or not file.stat().st_size:
        MirrorWriter(directory, max_bytes).close()


def _open_for_writing(directory: Path, max_bytes: int) -> lmdb.Environment:
    return lmdb.open(str(directory), map_size=max_bytes, metasync=False, max_readers=1024, mode=_MODE)


class MirrorWriter(MirrorReader):
    """The agent's side of the mirror. Each host has one writer; the agent's lock sees to that."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            self._environment = _open_for_writing(directory, max_bytes)
        except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError) as error:
            # It is a copy, and the agent fills a new one from Redis. Without one, no edge process could start.
            _log.error("the mirror in %s is damaged (%s); it is set aside, and a new one is filled", directory, error)
            (directory / _FILE_NAME).replace(directory / f"{_FILE_NAME}.damaged")
            self._environment = _open_for_writing(directory, max_bytes)
        # SECURITY: it holds the secrets of signed postbacks. In an earlier release everybody could read the file.
        for path in directory.glob("*.mdb"):
            path.chmod(_MODE)
        self._directory, self._max_bytes = directory, max_bytes
        self.changes = MirrorChanges(directory)
        # RACE: a writer that was killed after its last commit may not have recorded the change.
        self.changes.record_everything()

    def apply(self, meta: MirrorMeta, changes: Mapping[str, bytes | None]) -> None:
        """Apply one change set in one transaction."""
        with self._begin_writing() as transaction:
            for key, value in changes.items():
                if value is None:
                    transaction.delete(key.encode())
                else:
                    transaction.put(key.encode(), value)
            _put_meta(transaction, meta)
        self.changes.record(changes)

    def replace(self, meta: MirrorMeta, entries: Iterable[tuple[str, bytes]]) -> None:
        """Make the mirror equal to `entries` in one transaction: readers see either the old state or the new one.

        PERF: the entries come in no order, and pages that are filled in no order stay two thirds full. In the order of
        their keys, a million links take half the memory (`python -m loadtests.bench` shows both).
        """
        with in_key_order(self._directory, self._max_bytes, entries) as ordered, self._begin_writing() as transaction:
            transaction.drop(self._environment.open_db(None, txn=transaction), delete=False)
            transaction.cursor().putmulti(ordered, append=True)
            _put_meta(transaction, meta)
        self.changes.record_everything()

    def _begin_writing(self) -> lmdb.Transaction[bytes]:
        # A reader that was killed in a transaction pins the state that it read, and the file would grow with each
        # change.
        self._environment.reader_check()
        return self._environment.begin(write=True)

    def close(self) -> None:
        """Sync and release the file."""
        self._environment.sync(True)
        self._environment.close()


def mirror_meta(epoch: str, version: int, last_id: str) -> MirrorMeta:
    """Return the state of a mirror that is written now. `entries` is counted when it is written."""
    return MirrorMeta(epoch, version, last_id, time(), 0)


def _put_meta(transaction: lmdb.Transaction, meta: MirrorMeta) -> None:
    transaction.put(_VERSION_KEY, b"%d" % meta.version)
    transaction.put(_META_KEY, b"")
    entries = int(transaction.stat()["entries"]) - 2
    transaction.put(_META_KEY, orjson.dumps(tuple(meta._replace(entries=entries))))


def _decode_meta(data: bytes | None) -> MirrorMeta | None:
    return None if data is None else MirrorMeta(*orjson.loads(data))
