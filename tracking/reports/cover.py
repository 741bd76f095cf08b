"""Covers a period with the fewest blocks of 1, 4, 16 or 64 days, some of which may be subtracted. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

# Days of a block; each level has blocks that begin at its multiples.
LEVELS = (1, 4, 16, 64)
_EPOCH = date(1970, 1, 1)


class Block(NamedTuple):
    """The days [block * level, (block + 1) * level) since 1970-01-01, to be added (`sign` 1) or subtracted (-1)."""

    level: int
    block: int
    sign: int


def number_of_day(day: date) -> int:
    """Return days since 1970-01-01."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """Return the date of a day number."""
    return _EPOCH + timedelta(days=number)


def cover(first_day: int, end_day: int, built_day: int) -> list[Block]:
    """Return the fewest blocks whose signed sum is [first_day, end_day), as day numbers.

    Only days before `built_day` (report_state.built_day) are in blocks of several days, so each later day is a block of
    its own. It must be of the snapshot that the blocks are read in: a block that goes beyond it counts as ending there.
    """
    if first_day >= end_day:
        return []
    ends = min(end_day, built_day)
    blocks = list(_fewest(first_day, ends, open_end=end_day >= built_day)) if first_day < ends else []
    return blocks + [Block(1, day, 1) for day in range(max(first_day, built_day), end_day)]


def _fewest(first: int, end: int, *, open_end: bool) -> Iterator[Block]:
    """Yield the blocks of the shortest way from `first` to `end`, in steps of aligned blocks, forward or back.

    With an open end there is nothing from `end` on, so a way may go beyond it.
    """
    rises = _ways(first)
    falls = _ways(end)
    best: tuple[int, list[int]] | None = None
    for level, rise, fall in zip(LEVELS, rises, falls, strict=True):
        targets = {**fall, -(-end // level) * level: [end]} if open_end else fall
        for start, there in rise.items():
            for stop, back in targets.items():
                steps = abs(stop - start) // level
                # The way back is stored from the end on, and walked the other way. Beyond an open end nothing is added.
                beyond = open_end and back == [end]
                length = len(there) - 1 + steps + (0 if beyond else len(back) - 1)
                if best is None or length < best[0]:
                    direction = level if stop > start else -level
                    walk = list(range(start, stop, direction))
                    best = (length, [*there[:-1], *walk, stop] if beyond else [*there[:-1], *walk, *reversed(back)])
    assert best is not None
    for day, next_day in pairwise(best[1]):
        level = abs(next_day - day)
        yield Block(level, min(day, next_day) // level, 1 if next_day > day else -1)


def _ways(day: int) -> list[dict[int, list[int]]]:
    """Return for each level the two nearest aligned days, and the days that the shortest way from `day` passes."""
    ways: list[dict[int, list[int]]] = [{day: [day]}]
    for level, next_level in pairwise(LEVELS):
        found: dict[int, list[int]] = {}
        for start, way in ways[-1].items():
            low = start // next_level * next_level
            for stop in {low, low + next_level if start > low else low}:
                direction = level if stop > start else -level
                longer = [*way, *range(start + direction, stop + direction, direction)] if stop != start else way
                if stop not in found or len(longer) < len(found[stop]):
                    found[stop] = longer
        ways.append(found)
    return ways
