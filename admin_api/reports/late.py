"""Which questions are answered in three steps: the keys of a page by their order, their figures, and the totals.

PERF: of 18,550 sources, countries and devices of 90 days, adding up all figures to show a hundred took 142 ms of CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from admin_api.reports.planner import Grain, Plan
from admin_api.reports.question import Keys, Question, RowPlace
from admin_api.reports.values import Value
from tracking.reports import DIMENSIONS, DimensionKind

# An answer with fewer keys is added up at once. Three steps cost some milliseconds more than one.
KEYS_MIN = 2_000
# How many times a page all keys must be, for their figures to cost more than finding those of the page again.
_PAGES_MIN = 5
# How many values dimensions have, roughly. What the first step finds decides.
_VALUES = {
    "profile": 20,
    "merchant": 200,
    "source": 50,
    "country": 200,
    "region": 1_500,
    "device": 5,
    "os": 20,
    "browser": 30,
    "language": 60,
}
_MANY = 5_000


def is_late(question: Question, plan: Plan, keys_min: int) -> bool:
    """Whether a question is answered in steps, as far as it can be said before the first one."""
    kinds = {DIMENSIONS[name].kind for name in question.group_by}
    return (
        plan.group is not None
        and plan.grain is Grain.DAYS
        and bool(kinds)
        and kinds <= {DimensionKind.ID, DimensionKind.TEXT}
        and prod(_values(question, name) for name in question.group_by) >= keys_min
        and question.sort.descending
        and question.sort.name not in question.group_by
        and set(question.column(question.sort.name).figures) != set(question.figures)
    )


def _values(question: Question, dimension: str) -> int:
    """Return about how many values of a dimension an answer has."""
    chosen = [len(each.values) for each in question.selection.filter_of(dimension) if not each.without]
    return min([*chosen, _VALUES.get(dimension, _MANY)])


def by_order(question: Question) -> Question:
    """Return the question of the first step: which keys the page has."""
    return replace(question, columns=(question.sort.name,), compare=False)


def decides(question: Question, places: Sequence[RowPlace], keys: int) -> bool:
    """Whether the first step found the whole page, among so many `keys` that the others are better left alone.

    It leaves out keys whose figures come to nothing. They stand behind all others, so a page that is full before it
    comes to 0 has none of them; nor has it keys that only the period before has.
    """
    last = places[-1].value if places else None
    enough = question.limit < len(places) and keys >= _PAGES_MIN * question.limit
    return enough and isinstance(last, int | float) and last > 0


def of_keys(question: Question, keys: Sequence[tuple[Value, ...]]) -> Question:
    """Return the question of the second step: the figures of these keys."""
    selection = replace(question.selection, keys=Keys(question.group_by, tuple(keys)))
    return replace(question, selection=selection, after=None)


def totals_of(question: Question) -> Question:
    """Return the question of the third step, which the smallest group with the dimensions of the filters answers."""
    return replace(question, group_by=(), after=None)
