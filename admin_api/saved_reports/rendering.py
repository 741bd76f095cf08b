"""Renders saved reports: the question of a moment, as a viewer may see its answer, written to a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import BinaryIO

from admin_api.reports import WRITERS, ReportStore, Usual, Viewer, parse_question
from admin_api.runtime import Actor
from admin_api.saved_reports.periods import dated
from config.settings import ReportSettings
from tracking.caps import is_time_zone


class ReportRenderer:
    """Asks the store of reports."""

    def __init__(self, store: ReportStore, settings: ReportSettings) -> None:
        self._store = store
        self._settings = settings

    def dated(self, question: Mapping[str, str], at: datetime) -> dict[str, str]:
        """Return a saved question with the days that its period stands for at a moment, in the question's zone."""
        usual = self._usual(at)
        # A zone that does not exist is refused when the question is read.
        zone = question.get("time_zone", usual.time_zone)
        return dated(question, usual.today(zone if is_time_zone(zone) else usual.time_zone))

    def check(self, question: Mapping[str, str], now: datetime) -> None:
        """Raise FieldError for a question that reports would refuse. Who may see money counts when it is sent."""
        parse_question(self.dated(question, now), Viewer(), self._usual(now))

    def write(self, question: Mapping[str, str], viewer: Actor, at: datetime, kind: str, file: BinaryIO) -> list[str]:
        """Write the whole answer to a dated question, and return what a reader must know beside it."""
        asked = parse_question(question, Viewer.of(viewer), self._usual(at))
        with self._store.stream(asked) as stream:
            return WRITERS[kind](stream, file)

    def _usual(self, at: datetime) -> Usual:
        settings = self._settings
        return Usual(settings.time_zone, settings.currency, settings.cost_currency, at)
