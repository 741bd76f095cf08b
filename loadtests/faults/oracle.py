"""The oracle: what was promised against what is stored, in the classes of Jepsen's total-queue checker. Pure.

An answered redirect with a click id is an obligation. An attempt without an answer may be stored or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

EXAMPLES_MAX = 10
# A click's own time is read while it is handled; both ends are read by another process on the same clock.
_CLOCK_SLACK_MS = 1500


class Answer(NamedTuple):
    """What became of an attempt. `click_id` is set exactly if the answer obliges; times are Unix milliseconds."""

    outcome: str
    click_id: str | None
    location: str
    sent_ms: int
    answered_ms: int


UNANSWERED = "unanswered"
RECORDED = "recorded"
NOT_LOGGED = "not-logged"


@dataclass
class Verdict:
    """Counts by class, and the first few of each that should be empty."""

    attempts: int = 0
    obligations: int = 0
    not_logged: int = 0
    unanswered: int = 0
    unanswered_stored: int = 0
    stored: int = 0
    ok: int = 0
    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    altered: int = 0
    altered_fields: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, duplicated, unexpected or altered."""
        return not (self.lost or self.duplicated or self.unexpected or self.altered)

    def note(self, kind: str, text: str) -> None:
        """Keep an example."""
        kept = self.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES_MAX:
            kept.append(text)


def judge(
    answers: Mapping[str, Answer],
    rows: Iterable[Mapping[str, Any]],
    attempt_of: Callable[[str], str | None],
    expected: Callable[[str, Answer], Mapping[str, Any]],
    clock_slack_ms: int = _CLOCK_SLACK_MS,
) -> Verdict:
    """Compare every stored row with the attempt it names, then look for obligations that no row met."""
    verdict = _count(answers)
    seen: set[str] = set()
    for row in rows:
        verdict.stored += 1
        attempt = attempt_of(row["query"])
        answer = answers.get(attempt) if attempt is not None else None
        if attempt is None or answer is None:
            verdict.unexpected += 1
            verdict.note("unexpected", f"{row['click_id']} of {row['query']!r}, which nobody sent")
        elif attempt in seen:
            verdict.duplicated += 1
            verdict.note("duplicated", f"attempt {attempt} again as {row['click_id']}")
        else:
            seen.add(attempt)
            _judge_row(verdict, attempt, answer, row, expected(attempt, answer), clock_slack_ms)
    for attempt, answer in answers.items():
        if answer.click_id is not None and attempt not in seen:
            verdict.lost += 1
            verdict.note("lost", f"attempt {attempt}, answered with {answer.click_id}")
    return verdict


def _count(answers: Mapping[str, Answer]) -> Verdict:
    verdict = Verdict(attempts=len(answers))
    ids: set[str] = set()
    for attempt, answer in answers.items():
        verdict.unanswered += answer.outcome == UNANSWERED
        verdict.not_logged += answer.outcome == NOT_LOGGED
        if answer.click_id is None:
            continue
        verdict.obligations += 1
        if answer.click_id in ids:
            verdict.duplicated += 1
            verdict.note("duplicated", f"click id {answer.click_id} was given out again, to attempt {attempt}")
        ids.add(answer.click_id)
    return verdict


def _judge_row(
    verdict: Verdict,
    attempt: str,
    answer: Answer,
    row: Mapping[str, Any],
    expected: Mapping[str, Any],
    clock_slack_ms: int,
) -> None:
    if answer.outcome == UNANSWERED:
        # The visitor never learnt its id or location; all else must be as it was sent.
        verdict.unanswered_stored += 1
        expected = {name: value for name, value in expected.items() if name != "location"}
    elif answer.click_id is None:
        verdict.unexpected += 1
        verdict.note("unexpected", f"attempt {attempt} was answered {answer.outcome} and is stored")
        return
    elif row["click_id"] != answer.click_id:
        verdict.unexpected += 1
        verdict.lost += 1
        verdict.note("lost", f"attempt {attempt}, answered with {answer.click_id}, is stored as {row['click_id']}")
        return
    differing = [name for name, value in expected.items() if row[name] != value]
    if not answer.sent_ms - clock_slack_ms <= row["clicked_at_ms"] <= answer.answered_ms + clock_slack_ms:
        differing.append("clicked_at")
    if differing:
        verdict.altered += 1
        verdict.altered_fields.update(differing)
        for name in differing[:1]:
            verdict.note("altered", f"attempt {attempt}, {name}: {row.get(name)!r}, expected {expected.get(name)!r}")
    elif answer.outcome == RECORDED:
        verdict.ok += 1
