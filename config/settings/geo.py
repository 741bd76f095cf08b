"""The settings of what is known about addresses. The edge and the workers have the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from config.settings.environment import EnvironmentReader


@dataclass(frozen=True, slots=True)
class GeoSettings:
    """Where the operator's databases are, and where the copies of them are that are read."""

    directory: Path
    country_file: Path | None
    copies: Path


def geo_settings(read: EnvironmentReader) -> GeoSettings:
    """Return the settings of an environment."""
    return GeoSettings(
        read.path("GEOIP_DIR", read.home / "geoip"),
        read.optional_path("GEOIP_COUNTRY_DB"),
        read.home / "geoip-in-use",
    )
