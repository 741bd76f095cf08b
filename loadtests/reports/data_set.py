"""What the data set is: how much of everything, and over which days. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files

from tracking.reports import day_of, number_of_day

# Monday first: the share of a day in an average one. They sum to seven.
WEEKDAYS = (1.08, 1.05, 1.04, 1.03, 1.0, 0.88, 0.92)


@dataclass(frozen=True, slots=True)
class DataSet:
    """The size of the data set. `last_day` is its last day, in UTC; the defaults are what results are published of."""

    last_day: date
    clicks: int = 100_000_000
    days: int = 90
    hour_days: int = 31
    raw_days: int = 2
    links: int = 10_000
    profiles: int = 20
    merchants: int = 200
    sources: int = 30
    countries: int = 200
    conversions_of_a_thousand: int = 10

    @property
    def first_day(self) -> date:
        """The first day."""
        return self.last_day - timedelta(days=self.days - 1)

    @property
    def first_number(self) -> int:
        """The first day as days since 1970-01-01."""
        return number_of_day(self.first_day)

    @property
    def last_number(self) -> int:
        """The last day as days since 1970-01-01."""
        return number_of_day(self.last_day)

    @property
    def first_hour_day(self) -> int:
        """The first day that is kept by the hour too, as days since 1970-01-01."""
        return self.last_number - min(self.hour_days, self.days) + 1

    @property
    def first_raw_day(self) -> int:
        """The first day whose single clicks are stored, as days since 1970-01-01."""
        return self.last_number - self.raw_days + 1

    def day_before_end(self, days: int) -> date:
        """Return the first of the last so many days."""
        return self.last_day - timedelta(days=min(days, self.days) - 1)

    def raw_bounds(self) -> dict[str, str]:
        """Return the first day of all, the first with single clicks, and the last."""
        return {"first": f"{self.first_day}", "from": f"{day_of(self.first_raw_day)}", "to": f"{self.last_day}"}

    def visits_of(self, weekday: int) -> int:
        """Return how many clicks a day has; 0 is Monday."""
        return round(self.clicks / self.days * WEEKDAYS[weekday])


def until_yesterday(**sizes: int) -> DataSet:
    """Return the data set that ends yesterday, so that what is stored meanwhile is of another day."""
    return DataSet(datetime.now(UTC).date() - timedelta(days=1), **sizes)


def country_codes(count: int) -> list[str]:
    """Return ISO codes, from the table of time zones."""
    lines = files("tzdata").joinpath("zoneinfo/iso3166.tab").read_text(encoding="utf-8").splitlines()
    codes = [line.split("\t")[0] for line in lines if line and not line.startswith("#")]
    return sorted(codes)[:count]
