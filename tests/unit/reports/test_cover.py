"""A period is covered by the fewest blocks, and their signed sum is the period and nothing else."""

from __future__ import annotations

from collections import Counter, deque
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from tracking.reports import LEVELS, Block, cover, day_of, number_of_day

DAYS = st.integers(20_000, 20_200)


def days_of(blocks: list[Block], built_day: int) -> Counter[int]:
    """Return how often each day counts; blocks of several days have only those before `built_day`."""
    found: Counter[int] = Counter()
    for level, block, sign in blocks:
        for day in range(block * level, (block + 1) * level):
            if level == 1 or day < built_day:
                found[day] += sign
    return Counter({day: times for day, times in found.items() if times})


def fewest(first_day: int, end_day: int, built_day: int) -> int:
    """Return how many blocks it takes, found by trying all ways."""
    later = max(0, end_day - max(first_day, built_day))
    ends = min(end_day, built_day)
    if first_day >= ends:
        return later
    steps = {first_day: 0}
    waiting = deque([first_day])
    while waiting:
        day = waiting.popleft()
        if day == ends or (end_day >= built_day and day > ends):
            return steps[day] + later
        for level in LEVELS:
            for after in (day + level, day - level) if day % level == 0 else ():
                if after not in steps and first_day - 130 < after < ends + 130:
                    steps[after] = steps[day] + 1
                    waiting.append(after)
    raise AssertionError("no way leads there")


@given(DAYS, DAYS, st.integers(19_950, 20_250))
def test_a_period_is_covered_exactly_and_by_the_fewest_blocks(first_day: int, end_day: int, built_day: int) -> None:
    blocks = cover(first_day, end_day, built_day)
    assert days_of(blocks, built_day) == dict.fromkeys(range(first_day, end_day), 1)
    assert len(blocks) == (fewest(first_day, end_day, built_day) if first_day < end_day else 0)


def test_ninety_days_until_today_are_a_handful_of_blocks() -> None:
    assert len(cover(20_000, 20_090, built_day=20_089)) <= 6


def test_days_are_numbered_from_1970_on() -> None:
    assert number_of_day(date(1970, 1, 2)) == 1
    assert day_of(number_of_day(date(2026, 11, 25))) == date(2026, 11, 25)
