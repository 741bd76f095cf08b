"""The seam of reports: what answers questions implements ReportStore, and nothing else knows how they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from admin_api.reports.columns import Figures
from admin_api.reports.places import encode_place
from admin_api.reports.planner import AnsweredFrom
from admin_api.reports.question import Question, RowPlace
from admin_api.reports.values import Value


class MissingRate(NamedTuple):
    """Amounts of this currency and day are left out of all sums, since no exchange rate counts on that day."""

    currency: str
    day: str


class ReportRow(NamedTuple):
    """A row: its key in the order of the question's dimensions, its figures, and those of the period before."""

    key: tuple[Value, ...]
    figures: Figures
    previous: Figures | None
    place: RowPlace


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an answer before its rows."""

    question: Question
    answered_from: AnsweredFrom
    totals: Figures
    previous_totals: Figures | None
    missing_rates: tuple[MissingRate, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One page of an answer. `names` has the names of ids by dimension."""

    head: Head
    rows: list[ReportRow]
    goes_on: bool
    names: dict[str, dict[int, str]] = field(default_factory=dict)

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the next page; None if this is the last one."""
        return encode_place(self.head.question, self.rows[-1].place) if self.goes_on else None


@dataclass(frozen=True, slots=True)
class Stream:
    """A whole answer, whose rows are read while they are used, some hundred at once with the names of their ids."""

    head: Head
    pages: Iterator[tuple[list[ReportRow], dict[str, dict[int, str]]]]


class ReportStore(Protocol):
    """Answers questions. Raises TooMuchError after REPORT_TIMEOUT_S: an answer is whole or none."""

    def answer(self, question: Question) -> Answer:
        """Return one page of the answer."""

    def stream(self, question: Question) -> AbstractContextManager[Stream]:
        """Give the whole answer, as of one moment, while the block runs. The limit and the cursor do not count."""
