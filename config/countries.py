"""Looks up the country of an address in the operator's file of MaxMind's format. A lookup never raises."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import maxminddb

_log = logging.getLogger(__name__)
_DESCRIPTORS = Path("/proc/self/fd")


class CountryTable:
    """The countries of addresses. Without a readable file, all are unknown."""

    def __init__(self, path: Path | None) -> None:
        self._reader: Any = None
        if path is None:
            return
        try:
            self._reader = _open(path)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            _log.error("GEOIP_COUNTRY_DB %s cannot be read, countries stay unknown: %s", path, error)

    def country(self, address: str) -> str:
        """Return the ISO 3166 code of an address, an empty string if it is unknown."""
        if self._reader is None or not address:
            return ""
        try:
            entry = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return ""
        if not isinstance(entry, dict):
            return ""
        country = entry.get("country") or entry.get("registered_country") or {}
        return str(country.get("iso_code") or "")


def _open(path: Path) -> Any:
    """Return a reader of a nameless copy of the file, or of the file itself if no copy can be made.

    The reader maps the file. If somebody copied a newer file over it, instead of moving it there, every process that
    looks up an address at that moment would end (SIGBUS), and lookups after it would return nonsense.
    """
    if not _DESCRIPTORS.is_dir():
        return maxminddb.open_database(str(path))
    with path.open("rb") as file, TemporaryFile() as copy:
        try:
            shutil.copyfileobj(file, copy)
            copy.flush()
        except OSError as error:
            _log.warning("no copy of GEOIP_COUNTRY_DB can be made (%s); do not write over it while this runs", error)
            return maxminddb.open_database(str(path))
        return maxminddb.open_database(str(_DESCRIPTORS / str(copy.fileno())))
