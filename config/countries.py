"""Country of an address, from the MaxMind-format file the operator supplies. A failed lookup never fails anything."""

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
    """Answers `country`; without a file every answer is empty."""

    def __init__(self, path: Path | None) -> None:
        self._reader: Any = None
        if path is None:
            return
        try:
            self._reader = _open(path)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            _log.error("GEOIP_COUNTRY_DB %s cannot be read, countries stay unknown: %s", path, error)

    def country(self, address: str) -> str:
        """Return the ISO 3166 code of an address, or an empty string."""
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
    """Return a reader of a nameless copy of the file; of the file itself where no copy can be made.

    It is read through a map. Whoever copies a newer file over this one, instead of moving it there, would end every
    process that looks an address up at that moment (SIGBUS), and give it nonsense afterwards.
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
