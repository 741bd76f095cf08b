"""The local mirror of the published configuration: an LMDB file that every edge process of a host maps and shares.

The agent writes it, one transaction a change set; edge processes only read. It survives reboots, so a host serves with
Redis away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import time
from typing import NamedTuple

import lmdb
import orjson

from config.configuration.key_order import in_key_order
from config.configuration.mirror_changes import MirrorChanges
from config.configuration.published import PUBLISHED_FORMAT, link_key, profile_key

# Named after the format: a mirror that an earlier release wrote counts as empty, and the agent fills it anew.
_META_KEY = b"!meta:%d" % PUBLISHED_FORMAT
_VERSION_KEY = b"!version:%d" % PUBLISHED_FORMAT
_MODE = 0o600


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
    """Reads the mirror in one process, from any of its threads. Open it after fork."""

    def __init__(self, directory: Path) -> None:
        # map_size 0 is the writer's own limit. Any other value must hold all that is ever written: beyond it each read
        # fails, and lmdb's default is 10 MB.
        self._environment = lmdb.open(
            str(directory), map_size=0, readonly=True, create=False, readahead=False, max_spare_txns=4, max_readers=1024
        )
        # Processes that were killed leave their places in the table of readers, which then is full for the next one.
        self._environment.reader_check()
        # PERF: shared memory, so that a remembered decision takes 0.3 microseconds in all (`python -m tests.own_cost`)
        # where asking LMDB for the version took 1.
        self.changes = MirrorChanges(directory)

    def get(self, *keys: str) -> list[bytes | None]:
        """Return the values of some keys, all from one state of the mirror."""
        return self._values([key.encode("utf-8", "replace") for key in keys])

    def lookup(self, host: str, slug: str) -> Lookup:
        """Return the profile of `host` and its link `slug`, or else the link `slug` that belongs to no profile."""
        try:
            with self._begin() as transaction:
                return _look_up(transaction, host, slug)
        except lmdb.Error as error:
            _require_ended(error)
            with self._begin() as transaction:
                return _look_up(transaction, host, slug)

    def meta(self) -> MirrorMeta | None:
        """Return what the mirror holds, or None while it is empty."""
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
            # The agent was started again with a larger MIRROR_MAX_BYTES and has used it.
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
        # PERF: the profile's id is its first field, so the link's key needs no JSON decoding.
        link = get(b"l:%b:%b" % (profile[1 : profile.index(b",")], slug.encode("utf-8", "replace")))
        if link is not None:
            return Lookup(int(version), profile, link, True)
    return Lookup(int(version), profile, get(link_key(None, slug).encode("utf-8", "replace")), False)


def _require_ended(error: lmdb.Error) -> None:
    """Raise `error` unless it is that the transaction has ended, for which there is no class of its own.

    Another thread has just mapped the grown file anew, and that ends every transaction of the process.
    """
    if type(error) is not lmdb.Error:
        raise error


def create_mirror(directory: Path, max_bytes: int) -> None:
    """Make an empty mirror where there is none, so that readers can open it before the agent has ever run."""
    if not (directory / "data.mdb").exists():
        MirrorWriter(directory, max_bytes).close()


class MirrorWriter(MirrorReader):
    """The agent's side of the mirror. One writer a host, guarded by the agent's own lock."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._environment = lmdb.open(str(directory), map_size=max_bytes, metasync=False, max_readers=1024, mode=_MODE)
        # SECURITY: it holds the secrets that postbacks are signed with; an earlier release let everybody read the file.
        for path in directory.glob("*.mdb"):
            path.chmod(_MODE)
        self._directory, self._max_bytes = directory, max_bytes
        self.changes = MirrorChanges(directory)
        # A writer that was killed after its last commit may not have come to say so.
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

    def replace(self, meta: MirrorMeta, served: Iterable[tuple[str, bytes]]) -> None:
        """Make the mirror equal to `served`, in one transaction: readers see the old state or the new one.

        PERF: entries arrive in no order, and pages filled in no order stay two thirds full. In order, a million links
        take half the memory (`python -m loadtests.bench` shows both).
        """
        with in_key_order(self._directory, self._max_bytes, served) as ordered, self._begin_writing() as transaction:
            transaction.drop(self._environment.open_db(None, txn=transaction), delete=False)
            transaction.cursor().putmulti(ordered, append=True)
            _put_meta(transaction, meta)
        self.changes.record_everything()

    def _begin_writing(self) -> lmdb.Transaction[bytes]:
        # A process that was killed while it read keeps the state that it read, and the file grows with each change.
        self._environment.reader_check()
        return self._environment.begin(write=True)

    def close(self) -> None:
        """Flush and release the file."""
        self._environment.sync(True)
        self._environment.close()


def mirror_meta(epoch: str, version: int, last_id: str) -> MirrorMeta:
    """Return the meta record of a state applied now; `entries` is filled in when it is written."""
    return MirrorMeta(epoch, version, last_id, time(), 0)


def _put_meta(transaction: lmdb.Transaction, meta: MirrorMeta) -> None:
    transaction.put(_VERSION_KEY, b"%d" % meta.version)
    transaction.put(_META_KEY, b"")
    entries = int(transaction.stat()["entries"]) - 2
    transaction.put(_META_KEY, orjson.dumps(tuple(meta._replace(entries=entries))))


def _decode_meta(data: bytes | None) -> MirrorMeta | None:
    return None if data is None else MirrorMeta(*orjson.loads(data))
