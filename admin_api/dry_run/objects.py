"""What a dry run is asked, and what it answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from admin_api.dry_run.tally import CountryFigures, Figures, RevenueFigures
from admin_api.http import Body, Moment, Shown
from admin_api.routing import RoutingFields

CLICKS_USUAL = 100_000
CLICKS_MAX = 1_000_000
ROWS_MAX = 200


class DryRun(Body):
    """A draft of a link's rules, and the stored clicks to try it on."""

    routing: RoutingFields | None = None
    """The draft. Null tries a link without rules."""
    clicks: Annotated[int, Field(ge=1, le=CLICKS_MAX)] = CLICKS_USUAL
    """How many of the newest clicks to try it on."""
    from_: Annotated[Moment | None, Field(alias="from")] = None
    """Only clicks from this moment on."""
    to: Moment | None = None
    """Only clicks before this moment."""
    every_class: bool = False
    """Whether to try it on requests of every class. Usually only those that are `valid` are tried."""
    whole_profile: bool = False
    """Whether to try it on the clicks of all links of the link's profile, each compared with its own present rules."""


class MovedRevenue(Shown):
    """The revenue in one currency, in minor units. Conversions that are approved or pending count."""

    currency: str | None
    present_minor: int
    """Of the clicks that it gets under the present rules."""
    draft_minor: int
    """Of the clicks that it would get under the draft."""


class _Compared(Shown):
    """How many clicks a place gets. A random choice counts as its expected shares, so figures may have fractions."""

    field: str
    """Where it stands, in the draft or else in the present rules."""
    name: str | None
    present: float
    """Clicks under the present rules."""
    draft: float
    """Clicks under the draft."""
    difference: float
    """How many more clicks the draft gives it."""
    revenue: list[MovedRevenue]
    """What these clicks earned where they went, so no forecast of what they would earn elsewhere."""


class ComparedRule(_Compared):
    """A rule under the present rules and under the draft. `countries` and `destination_url` stand for clicks without
    a rule.
    """

    rule_id: int | None


class ComparedDestination(_Compared):
    """A destination under the present rules and under the draft."""

    destination_id: int | None
    url: str | None


class ComparedCountry(Shown):
    """The clicks from one country."""

    country: str | None
    """Its two-letter code. Null if it is not known."""
    clicks: int
    changed: float
    """How many of them would go to another destination."""


class ComparedRevenue(Shown):
    """What the clicks earned, in one currency and in minor units."""

    currency: str | None
    conversions: int
    revenue_minor: int
    changed_minor: int
    """How much of it comes from clicks that would go to another destination."""


class DryRunResult(Shown):
    """What a draft would change about stored clicks."""

    clicks: int
    """How many clicks it was tried on."""
    oldest_at: datetime | None
    newest_at: datetime | None
    changed: float
    """How many of them would go to another destination."""
    rules: list[ComparedRule]
    """At most 200 rules, those with the greatest differences first."""
    destinations: list[ComparedDestination]
    """At most 200 destinations, those with the greatest differences first."""
    countries: list[ComparedCountry]
    """Every country, the one with the most clicks first."""
    revenue: list[ComparedRevenue]
    notes: list[str]
    """What to know about these figures, in sentences."""


def compared(figures: Figures) -> dict[str, object]:
    """Return what all places show."""
    return {
        "field": figures.place.field,
        "name": figures.place.name,
        "present": round(figures.present, 2),
        "draft": round(figures.draft, 2),
        "difference": round(figures.draft - figures.present, 2),
        "revenue": [
            MovedRevenue(currency=currency, present_minor=round(present), draft_minor=round(draft))
            for currency, (present, draft) in sorted(figures.revenue.items(), key=lambda each: each[0] or "")
        ],
    }


def show_rule(figures: Figures) -> ComparedRule:
    """Return a rule as it is shown."""
    return ComparedRule.of(compared(figures), rule_id=figures.place.number)


def show_destination(figures: Figures) -> ComparedDestination:
    """Return a destination as it is shown."""
    place = figures.place
    return ComparedDestination.of(compared(figures), destination_id=place.number, url=place.url)


def show_country(country: str, figures: CountryFigures) -> ComparedCountry:
    """Return a country as it is shown."""
    return ComparedCountry(country=country or None, clicks=figures.clicks, changed=round(figures.changed, 2))


def show_revenue(currency: str | None, figures: RevenueFigures) -> ComparedRevenue:
    """Return the revenue in a currency as it is shown."""
    return ComparedRevenue(
        currency=currency,
        conversions=figures.conversions,
        revenue_minor=figures.minor,
        changed_minor=round(figures.changed_minor),
    )
