"""The operator's database files: found, copied for reading, and checked before they are used."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import struct
import time
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import maxminddb

from config.geo.place import Kind, kind_of
from config.settings import GeoSettings
from tracking.runtime import WaypostError

_log = logging.getLogger(__name__)
_PATTERN = "*.mmdb"
# A copy that was being made when its process was killed.
_UNFINISHED_S = 3600
_PROBES = 256
# What the readers, that in C and that in Python, raise about a damaged file.
DAMAGED = (maxminddb.InvalidDatabaseError, OSError, RuntimeError, LookupError, TypeError, AttributeError, struct.error)
_IPV4_END = 2**32


class DatabaseError(WaypostError):
    """A file that is no database, is damaged, or changed while it was copied."""

    code = "bad-geo-database"


class Version(NamedTuple):
    """What changes when a file is replaced or written over."""

    device: int
    inode: int
    mtime_ns: int
    size: int


class Database(NamedTuple):
    """A database that is ready to be read. `reader.get(address)` returns an entry or None."""

    kind: Kind
    path: Path
    build_epoch: int
    reader: Any


def find_files(settings: GeoSettings) -> dict[Path, Version]:
    """Return the database files that there are now, with their versions."""
    paths = sorted(settings.directory.glob(_PATTERN)) if settings.directory.is_dir() else []
    if settings.country_file is not None:
        paths.append(settings.country_file)
    found: dict[Path, Version] = {}
    for path in paths:
        # One that is missing now may be about to be replaced.
        with suppress(FileNotFoundError):
            found[path] = _version(path)
    return found


def open_database(path: Path, version: Version, settings: GeoSettings) -> Database:
    """Return the database of a file, after looking at many places of it. Raises DatabaseError or OSError.

    A copy is read, which all processes of this host share. RACE: a reader maps its file. If somebody wrote a newer file
    over it, instead of moving it there, every process that looks up an address at that moment would end (SIGBUS), and
    lookups after it would return nonsense.
    """
    forced = Kind.COUNTRY if path == settings.country_file else None
    copy = settings.copies / f"{_digest(str(path))}-{_digest(repr(version))}.mmdb"
    if os.path.isfile(copy):  # noqa: PTH113 unlike Path.is_file it is False where the directory may not be read
        try:
            return _read(path, copy, forced)
        except (DatabaseError, OSError):
            # After a power cut, a copy may be there without its content.
            copy.unlink(missing_ok=True)
    try:
        _make_copy(path, version, copy)
    except OSError as error:
        if not os.access(path, os.R_OK):
            raise
        _log.warning("no copy of %s can be made (%s); do not write over it while this runs", path, error)
        return _read(path, path, forced)
    try:
        return _read(path, copy, forced)
    except DatabaseError:
        copy.unlink(missing_ok=True)
        raise


def _version(path: Path) -> Version:
    status = path.stat()
    return Version(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def _make_copy(path: Path, version: Version, copy: Path) -> None:
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_old_copies(copy)
    with path.open("rb") as file, NamedTemporaryFile(dir=copy.parent, suffix=".part", delete=False) as part:
        try:
            shutil.copyfileobj(file, part, 1 << 20)
            part.flush()
            os.fsync(part.fileno())
            if _version(path) != version:
                raise DatabaseError(f"{path} changed while it was copied")
            Path(part.name).replace(copy)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def _remove_old_copies(copy: Path) -> None:
    """Remove the earlier copies of a file. Whoever reads one goes on reading it."""
    beginning = copy.name.partition("-")[0]
    for other in copy.parent.iterdir():
        with suppress(FileNotFoundError):
            old = other.name.startswith(f"{beginning}-")
            if old or (other.suffix == ".part" and other.stat().st_mtime < time.time() - _UNFINISHED_S):
                other.unlink()


def _read(path: Path, readable: Path, forced: Kind | None) -> Database:
    try:
        reader = maxminddb.open_database(str(readable))
        metadata = reader.metadata()
        _probe(reader, metadata.ip_version)
    except (*DAMAGED, ValueError) as error:
        raise DatabaseError(f"{path} is no database of MaxMind's format, or damaged: {error}") from None
    kind = kind_of(metadata.database_type) or forced
    if kind is None:
        raise DatabaseError(f"{path} is a database of another kind: {metadata.database_type}")
    return Database(kind, path, metadata.build_epoch, reader)


def _probe(reader: Any, ip_version: int) -> None:
    """Look up addresses all over the database, so that one that is damaged is not put to use."""
    for at in range(_PROBES):
        reader.get(_ipv4_text(at * (_IPV4_END // _PROBES) + 1))
        if ip_version == 6:
            reader.get(f"2{at:02x}1::1")


def _ipv4_text(number: int) -> str:
    return ".".join(map(str, number.to_bytes(4, "big")))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
