"""Adds up where clicks go under the present rules and under a draft: by rule, destination, country and revenue. Pure.

A choice that is random, or that cannot be repeated since the visitor's address was not kept whole, counts as its
expected shares by weight.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# More places than this are added up as one; only a profile with very many links has so many.
PLACES_MAX = 10_000
# A conversion of a click: its currency and its amount in minor units.
Converted = tuple[str | None, int]
# What counts below this share is the rounding of floating-point numbers.
_ROUNDING = 1e-9


class Place(NamedTuple):
    """A rule or a destination as it is shown: what tells it from others, and what it is called."""

    number: int | None
    field: str
    name: str | None
    url: str | None = None

    @property
    def key(self) -> Hashable:
        """What is the same place in two documents: its number, or without one its URL, or where it stands."""
        return self.number if self.number is not None else self.url or self.field


class Way(NamedTuple):
    """A way that a click may take, and the share of clicks that take it."""

    rule: Place
    destination: Place
    share: float


@dataclass(slots=True)
class Figures:
    """What a place gets under the present rules and under the draft: clicks, and revenue by currency."""

    place: Place
    present: float = 0.0
    draft: float = 0.0
    revenue: dict[str | None, list[float]] = field(default_factory=dict)

    def add(self, side: int, share: float, converted: Sequence[Converted]) -> None:
        """Add a share of a click: to the present if `side` is 0, to the draft if it is 1."""
        if side:
            self.draft += share
        else:
            self.present += share
        for currency, minor in converted:
            self.revenue.setdefault(currency, [0.0, 0.0])[side] += share * minor


@dataclass(slots=True)
class CountryFigures:
    """The clicks from a country, and how many of them would go elsewhere."""

    clicks: int = 0
    changed: float = 0.0


@dataclass(slots=True)
class RevenueFigures:
    """The conversions in a currency, their revenue, and how much of it is of clicks that would go elsewhere."""

    conversions: int = 0
    minor: int = 0
    changed_minor: float = 0.0


class Tally:
    """Adds up clicks, one at a time."""

    def __init__(self) -> None:
        self.clicks = 0
        self.changed = 0.0
        # How many of them have shares.
        self.shared = 0
        self.rules: dict[Hashable, Figures] = {}
        self.destinations: dict[Hashable, Figures] = {}
        self.countries: dict[str, CountryFigures] = {}
        self.revenue: dict[str | None, RevenueFigures] = {}

    def add(
        self, present: Sequence[Way], draft: Sequence[Way], country: str | None, converted: Sequence[Converted]
    ) -> None:
        """Add a click with the ways that it may take under each of the two."""
        self.clicks += 1
        self.shared += len(present) > 1 or len(draft) > 1
        for side, ways in enumerate((present, draft)):
            for way in ways:
                _of(self.rules, way.rule).add(side, way.share, converted)
                _of(self.destinations, way.destination).add(side, way.share, converted)
        changed = 0.0 if present == draft else _changed(present, draft)
        self.changed += changed
        place = self.countries.setdefault(country or "", CountryFigures())
        place.clicks += 1
        place.changed += changed
        for currency, minor in converted:
            figures = self.revenue.setdefault(currency, RevenueFigures())
            figures.conversions += 1
            figures.minor += minor
            figures.changed_minor += changed * minor


def largest(figures: Mapping[Hashable, Figures], limit: int) -> list[Figures]:
    """Return the places with the largest differences first, up to `limit`."""
    return sorted(figures.values(), key=lambda each: (-abs(each.draft - each.present), -each.present))[:limit]


def by_weight(weights: Iterable[float]) -> Iterator[float]:
    """Yield the share of each weight in their sum."""
    known = list(weights)
    total = sum(known)
    yield from (weight / total if total else 0.0 for weight in known)


def _changed(present: Sequence[Way], draft: Sequence[Way]) -> float:
    """Return the part of a click that goes elsewhere, which is what equal shares of equal destinations leave."""
    shares: dict[Hashable, float] = {}
    for way in present:
        shares[way.destination.key] = shares.get(way.destination.key, 0.0) + way.share
    same = 0.0
    for way in draft:
        kept = min(way.share, shares.get(way.destination.key, 0.0))
        if kept > 0:
            shares[way.destination.key] -= kept
            same += kept
    return max(0.0, 1.0 - same) if 1.0 - same > _ROUNDING else 0.0


def _of(figures: dict[Hashable, Figures], place: Place) -> Figures:
    found = figures.get(place.key)
    if found is None:
        if len(figures) >= PLACES_MAX:
            place = Place(None, "others", None)
        found = figures.setdefault(place.key, Figures(place))
    return found
