"""When a schedule is due: an hour of every day, of a weekday or of a day of the month, in a time zone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Every = Literal["day", "week", "month"]
# A month and the longest way that a zone's clock was ever put.
_DAYS_BETWEEN_MAX = 34


@dataclass(frozen=True, slots=True)
class Recurrence:
    """`weekday` counts for weeks only, 1 being Monday, and `day` for months: in a shorter month it is the last day."""

    every: Every
    weekday: int
    day: int
    hour: int
    time_zone: str

    def next_after(self, moment: datetime) -> datetime:
        """Return the first moment after another at which it is due, in UTC.

        An hour that the clock skips is due when the clock has skipped it, and one that comes twice the first time.
        """
        first = moment.astimezone(ZoneInfo(self.time_zone)).date() - timedelta(days=1)
        for number in range(_DAYS_BETWEEN_MAX):
            day = first + timedelta(days=number)
            if self._holds(day) and (due_at := self._at(day)) > moment:
                return due_at
        raise AssertionError(f"{self} is due in every month")

    def last_until(self, moment: datetime, after: datetime) -> datetime:
        """Return the last moment up to `moment` at which it is due, from `after` on, which is one of them."""
        due_at = after
        # What was missed for a year is found from a month ago.
        if moment - due_at > timedelta(days=2 * _DAYS_BETWEEN_MAX):
            due_at = self.next_after(moment - timedelta(days=_DAYS_BETWEEN_MAX))
        while (following := self.next_after(due_at)) <= moment:
            due_at = following
        return due_at

    def _holds(self, day: date) -> bool:
        if self.every == "week":
            return day.isoweekday() == self.weekday
        if self.every == "month":
            is_last = (day + timedelta(days=1)).day == 1
            return day.day == self.day or (is_last and day.day < self.day)
        return True

    def _at(self, day: date) -> datetime:
        return datetime.combine(day, time(self.hour), ZoneInfo(self.time_zone)).astimezone(UTC)
