"""The order of a trace: by time, never an effect before its cause, and what follows from one step together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tracking.event_log import Step, StepKind, in_order, with_times

START = datetime(2026, 10, 1, 12, tzinfo=UTC)


def step(key: str, kind: StepKind, ms: float, after: str | None = None, sequence: int = 0) -> Step:
    return Step(kind, START + timedelta(milliseconds=ms), key, key, {}, after, sequence)


def keys(steps: list[Step]) -> list[str]:
    return [each.key for each in in_order(steps)]


def test_steps_are_in_the_order_of_their_times() -> None:
    steps = [
        step("stored", StepKind.CLICK_STORED, 9),
        step("judged", StepKind.POSTBACK_JUDGED, 30, "received"),
        step("requested", StepKind.CLICK_REQUESTED, 0),
        step("received", StepKind.POSTBACK_RECEIVED, 20, "requested"),
    ]
    assert keys(steps) == ["requested", "stored", "received", "judged"]


def test_a_clock_that_is_behind_puts_no_effect_before_its_cause() -> None:
    steps = [
        step("requested", StepKind.CLICK_REQUESTED, 1000),
        step("decided", StepKind.CLICK_DECIDED, 1000, "requested"),
        step("redirected", StepKind.CLICK_REDIRECTED, 1000, "decided"),
        step("stored", StepKind.CLICK_STORED, 400, "redirected"),
    ]
    ordered = in_order(steps)
    assert [each.key for each in ordered] == ["requested", "decided", "redirected", "stored"]
    assert [each["since_ms"] for each in with_times(ordered)] == [None, 0, 0, -600]


def test_what_happened_in_one_transaction_is_told_cause_by_cause() -> None:
    """Two postbacks judged in one batch: all that followed from the first stands before the second's judgement."""
    steps = [
        step("judged 2", StepKind.POSTBACK_JUDGED, 50, "received 2"),
        step("changed", StepKind.CONVERSION_CHANGED, 50, "judged 2", 12),
        step("made", StepKind.CONVERSION_MADE, 50, "judged 1", 11),
        step("judged 1", StepKind.POSTBACK_JUDGED, 50, "received 1"),
        step("received 2", StepKind.POSTBACK_RECEIVED, 20),
        step("received 1", StepKind.POSTBACK_RECEIVED, 10),
        step("entry 2", StepKind.ENTRY_APPENDED, 50, "made", 2),
        step("entry 1", StepKind.ENTRY_APPENDED, 50, "made", 1),
    ]
    assert keys(steps) == [
        *("received 1", "received 2", "judged 1", "made", "entry 1", "entry 2"),
        *("judged 2", "changed"),
    ]


def test_a_cause_that_is_not_there_or_leads_back_changes_nothing() -> None:
    assert keys([step("a", StepKind.CLICK_STORED, 2, "gone"), step("b", StepKind.CLICK_STORED, 1)]) == ["b", "a"]
    circle = [step("a", StepKind.CLICK_STORED, 1, "b"), step("b", StepKind.CLICK_STORED, 2, "a")]
    assert sorted(keys(circle)) == ["a", "b"]


@given(st.lists(st.tuples(st.sampled_from(StepKind), st.integers(0, 5), st.integers(-1, 20)), max_size=20))
def test_no_step_comes_before_its_cause_and_none_is_lost(drawn: list[tuple[StepKind, int, int]]) -> None:
    steps = [
        step(str(number), kind, ms, str(cause) if 0 <= cause < number else None, number)
        for number, (kind, ms, cause) in enumerate(drawn)
    ]
    ordered = keys(steps)
    assert sorted(ordered) == sorted(each.key for each in steps)
    for each in steps:
        assert each.after is None or ordered.index(each.after) < ordered.index(each.key)
