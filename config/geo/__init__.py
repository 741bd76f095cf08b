"""Where an address is and whose it is: the operator's MaxMind-format files, or a built-in table of countries."""

from __future__ import annotations

from config.geo.databases import GeoDatabases
from config.geo.place import GeoEvent, Place

__all__ = ["GeoDatabases", "GeoEvent", "Place"]
