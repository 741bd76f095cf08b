"""What rules may ask about a stored click (tracking.routing.Facts), from the columns that they ask for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tracking.routing import visitor_seed

# The columns that a condition looks at, by its field. The country and the moment are always read.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("region", "city", "isp", "connection", "asn", "device", "os", "browser", "language")},
    **{f"sub{number}": (f"sub{number}",) for number in range(1, 11)},
    "referrer": ("referrer_host",),
    "parameter": ("parameters",),
    "visitor": ("is_unique", "routing"),
    "bot": ("class",),
    "class": ("class",),
}
# What a sticky choice needs. `address` is null unless it was stored whole.
STICKY_COLUMNS = ("address", "user_agent")


class StoredFacts:
    """The facts of one stored click. What was not stored is empty, as it is at the edge when it is not known."""

    __slots__ = ("_row", "at_s", "country", "source")

    def __init__(self, row: Mapping[str, Any], country: str | None, at: datetime, source: str | None) -> None:
        self._row = row
        self.country = country or ""
        self.at_s = int(at.timestamp())
        self.source = source or ""

    def _text(self, name: str) -> str:
        return self._row[name] or ""

    @property
    def region(self) -> str:
        return self._text("region")

    @property
    def city(self) -> str:
        return self._text("city")

    @property
    def isp(self) -> str:
        return self._text("isp")

    @property
    def connection(self) -> str:
        return self._text("connection")

    @property
    def asn(self) -> int:
        return self._row["asn"] or 0

    @property
    def device(self) -> str:
        return self._text("device")

    @property
    def os(self) -> str:
        return self._text("os")

    @property
    def browser(self) -> str:
        return self._text("browser")

    @property
    def language(self) -> str:
        return self._text("language")

    @property
    def referrer(self) -> str:
        return self._text("referrer_host")

    @property
    def returning(self) -> bool:
        """What the edge saw, or what the worker found where the edge did not look."""
        routing = self._row["routing"]
        seen = routing[-1].get("returning") if routing else None
        return not self._row["is_unique"] if seen is None else bool(seen)

    @property
    def bot(self) -> bool:
        return self.request_class == "bot"

    @property
    def request_class(self) -> str:
        return self._text("class")

    def parameter(self, name: str) -> str | None:
        found: str | None = self._row["parameters"].get(name)
        return found

    def sub(self, number: int) -> str | None:
        found: str | None = self._row[f"sub{number}"]
        return found


def seed_of(row: Mapping[str, Any], link_id: int) -> int | None:
    """Return what a sticky choice begins with, or None if the address was not stored whole."""
    address = row.get("address")
    if address is None:
        return None
    # The edge has the bytes of the header, one character for each (latin-1).
    agent = row["user_agent"].encode("utf-8", "replace").decode("latin-1")
    return visitor_seed(address, agent, link_id)
