"""Facts of a click that are all given beforehand, for tests of rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

MONDAY_NOON_S = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp())


@dataclass
class KnownFacts:
    """The facts of a click (tracking.routing.Facts). By default nothing is known, and it is Monday noon in UTC."""

    country: str = ""
    region: str = ""
    city: str = ""
    isp: str = ""
    asn: int = 0
    connection: str = ""
    device: str = ""
    os: str = ""
    browser: str = ""
    language: str = ""
    referrer: str = ""
    source: str = ""
    at_s: int = MONDAY_NOON_S
    returning: bool = False
    bot: bool = False
    request_class: str = ""
    seed: int = 77
    is_counted: bool = True
    parameters: dict[str, str] = field(default_factory=dict)
    subs: dict[int, str] = field(default_factory=dict)

    def parameter(self, name: str) -> str | None:
        """Return a query parameter."""
        return self.parameters.get(name)

    def sub(self, number: int) -> str | None:
        """Return a sub id."""
        return self.subs.get(number)
