"""Country of an address, from the MaxMind-format file the operator supplies. A failed lookup never fails anything."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import maxminddb

_log = logging.getLogger(__name__)


class CountryTable:
    """Answers `country`; without a file every answer is empty."""

    def __init__(self, path: Path | None) -> None:
        self._reader: Any = None
        if path is None:
            return
        try:
            self._reader = maxminddb.open_database(str(path))
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
