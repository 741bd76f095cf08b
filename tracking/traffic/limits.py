"""How often a visitor may click: what makes a click a duplicate, one too many, or not unique. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class TrafficLimits:
    """The windows in seconds and hours, and how many clicks of an address count in a minute. 0 switches one off.

    A click is a `duplicate` within `duplicate_window_s` after another of the same visitor on the same link. It is
    `rate` if its address had `per_address_per_minute` clicks in the same minute of the clock before it. A valid click
    is unique if its visitor did not click on the link in the `unique_window_hours` before it. Requests of the classes
    head, prefetch, bot and datacenter are no clicks here; those that are rate or duplicate are.
    """

    duplicate_window_s: int = 10
    per_address_per_minute: int = 60
    unique_window_hours: int = 24

    @property
    def duplicate_ms(self) -> int:
        """Return the window of duplicates in milliseconds."""
        return self.duplicate_window_s * 1000

    @property
    def unique_ms(self) -> int:
        """Return the window of uniques in milliseconds."""
        return self.unique_window_hours * 60 * MINUTE_MS
