"""Looks up addresses in the databases that are there now. A lookup never raises and never waits for a file.

A thread looks every few seconds whether a file came, changed or went, and puts the new set of databases in place of the
old one. What cannot be read leaves the last good database in use, and is counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from threading import Event, Thread
from typing import Any

from config.geo.built_in import built_in_country
from config.geo.files import DAMAGED, Database, DatabaseError, Version, find_files, open_database
from config.geo.place import GeoEvent, Kind, Place, place_of
from config.settings import GeoSettings

_log = logging.getLogger(__name__)
CHECK_INTERVAL_S = 5.0
# PERF: a lookup in five databases takes 25 microseconds, a remembered one 0.1. All of them take 4 MB.
REMEMBERED_ADDRESSES = 8192
# A file that could not be read at all is tried again after so many looks: it may be a disk that was away.
_RETRY_CHECKS = 12
_NOWHERE = Place()


def _ignore(event: GeoEvent) -> None:
    """Count nothing."""


class GeoDatabases:
    """The databases of one process. `on_event` is called for everything that is counted, from any thread.

    Before `refresh` or `start`, and without settings or files, the built-in table tells the country, and all else is
    unknown.
    """

    def __init__(self, settings: GeoSettings | None = None, on_event: Callable[[GeoEvent], None] = _ignore) -> None:
        self._settings = settings
        self._on_event = on_event
        self._tables = _Tables({}, on_event)
        self._generation = 0
        # By path: the database in use with the version of its file, and the version that could not be read with the
        # look at which it is tried again.
        self._databases: dict[Path, tuple[Version, Database]] = {}
        self._bad: dict[Path, tuple[Version, int | None]] = {}
        self._missing: set[Path] = set()
        self._checks = 0
        self._loaded = Event()
        self._stopping = Event()
        self._thread = Thread(target=self._watch, name="geo-databases", daemon=True)

    def lookup(self, address: str) -> Place:
        """Return what is known about an address; nothing about a text that is none. Never raises."""
        return self._tables.lookup(address)

    def country(self, address: str) -> str:
        """Return the ISO 3166 code of an address, an empty string if it is unknown. Never raises."""
        return self._tables.lookup(address).country

    @property
    def generation(self) -> int:
        """A number that changes when other databases are in use."""
        return self._generation

    def in_use(self) -> dict[str, int]:
        """Return the kinds of databases in use, each with the Unix seconds when it was built."""
        return {kind.value: database.build_epoch for kind, database in self._tables.databases.items()}

    def start(self, wait_s: float) -> None:
        """Load the databases and follow their files in the background, and wait up to `wait_s` for the first load.

        A disk that is slow, or hangs, delays no program for longer.
        """
        self._thread.start()
        self._loaded.wait(wait_s)

    def close(self) -> None:
        """Stop following the files."""
        self._stopping.set()

    def refresh(self) -> None:
        """Look at the files, and read those that came or changed. Raises OSError if they cannot be looked at."""
        if self._settings is None:
            return
        self._checks += 1
        found = find_files(self._settings)
        read = {path: self._read(path, version, self._settings) for path, version in found.items()}
        kept = {path: each for path, each in read.items() if each is not None}
        # Whoever replaces a file may remove it first. So what was there at the last look is used until the next one.
        missing = self._databases.keys() - found.keys()
        kept |= {path: self._databases[path] for path in missing - self._missing}
        self._missing = missing - self._missing
        if kept != self._databases:
            self._databases = kept
            self._tables = _Tables(_by_kind(self._settings, [each for _, each in kept.values()]), self._on_event)
            # RACE: after the tables, so that whoever sees the new number gets what the new tables say.
            self._generation += 1
        self._bad = {path: bad for path, bad in self._bad.items() if path in found}

    def _read(self, path: Path, version: Version, settings: GeoSettings) -> tuple[Version, Database] | None:
        """Return a file's database: the one in use if the file is the same or cannot be read, else the new one."""
        used = self._databases.get(path)
        if used is not None and used[0] == version:
            return used
        bad_version, retry_at = self._bad.get(path, (None, None))
        if bad_version == version and (retry_at is None or self._checks < retry_at):
            return used
        try:
            database = open_database(path, version, settings)
        except (DatabaseError, OSError) as error:
            retry_at = None if isinstance(error, DatabaseError) else self._checks + _RETRY_CHECKS
            self._bad[path] = (version, retry_at)
            self._on_event(GeoEvent.LOAD_FAILED)
            code = error.code if isinstance(error, DatabaseError) else type(error).__name__
            kept = ", the last good one stays in use" if used else ""
            _log.error("%s: %s cannot be used%s: %s", code, path, kept, error)
            return used
        self._bad.pop(path, None)
        self._on_event(GeoEvent.LOADED)
        _log.info("%s is in use for %s", path, database.kind)
        return version, database

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001 the thread must go on; whatever it is, it is counted
                self._on_event(GeoEvent.LOAD_FAILED)
                _log.error("the geo databases cannot be looked at: %r", error)
            self._loaded.set()
            self._stopping.wait(CHECK_INTERVAL_S)


class _Tables:
    """One set of databases with what was looked up in them."""

    def __init__(self, databases: Mapping[Kind, Database], on_event: Callable[[GeoEvent], None]) -> None:
        self.databases = databases
        self._readers = [(kind, database.reader) for kind, database in databases.items()]
        self._knows_countries = Kind.CITY in databases or Kind.COUNTRY in databases
        self._on_event = on_event
        self.lookup = lru_cache(maxsize=REMEMBERED_ADDRESSES)(self._find)

    def _find(self, address: str) -> Place:
        if not address:
            return _NOWHERE
        if not self._readers:
            # PERF: without files an address costs 1 microsecond instead of 6.
            return _in_country(built_in_country(address))
        entries: dict[Kind, dict[str, Any]] = {}
        for kind, reader in self._readers:
            try:
                entry = reader.get(address)
            except UnicodeDecodeError:
                self._on_event(GeoEvent.LOOKUP_FAILED)
            except ValueError:
                # No address, or one of IPv6 in a database of IPv4.
                continue
            except DAMAGED:
                self._on_event(GeoEvent.LOOKUP_FAILED)
            else:
                if isinstance(entry, dict):
                    entries[kind] = entry
        place = place_of(entries)
        return place if self._knows_countries else place._replace(country=built_in_country(address))


@lru_cache(maxsize=512)
def _in_country(country: str) -> Place:
    return Place(country=country)


def _by_kind(settings: GeoSettings, databases: Iterable[Database]) -> dict[Kind, Database]:
    """Return one database of each kind: the newest, and GEOIP_COUNTRY_DB before any other for countries."""
    ranked = sorted(databases, key=lambda each: (each.path == settings.country_file, each.build_epoch, each.path))
    chosen = {database.kind: database for database in ranked}
    named = next((each for each in ranked if each.path == settings.country_file), None)
    if named is not None:
        chosen[Kind.COUNTRY] = named
    elif Kind.CITY in chosen:
        # A city database knows countries as well as one of countries alone.
        chosen.pop(Kind.COUNTRY, None)
    return chosen
