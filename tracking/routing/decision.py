"""Runs a plan for one click: the first rule whose conditions hold and that has capacity left, then the country table,
then the link's own destination.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from tracking.clicks import Expansion
from tracking.routing.choice import random_choice, sticky_choice
from tracking.routing.facts import Facts
from tracking.routing.outcome import INACTIVE, NO_CAPACITY, How
from tracking.routing.plan import Destination, Plan, Rotation, Rule


class Capacity(Protocol):
    """What is left of caps. Both methods take caps by number, and say True of none."""

    def take(self, cap_ids: Sequence[int], /) -> bool:
        """Count a click on all of them, or return False and count none."""

    def has_left(self, cap_ids: Sequence[int], /) -> bool:
        """Whether all of them have something left."""


class ClickFacts(Facts, Protocol):
    """What choices and caps need of a click besides."""

    @property
    def seed(self) -> int:
        """The visitor on this link (visitor_seed)."""

    @property
    def is_counted(self) -> bool:
        """Whether it takes a place in caps. A request that is no click only looks whether there is one."""


class Visitor(NamedTuple):
    """What a plan is run for. `draw` gives a random number from 0 to below 1."""

    facts: ClickFacts
    capacity: Capacity
    draw: Callable[[], float]


class Chosen(NamedTuple):
    """Where a click goes. `expansion` is None for the link's own destination, and for the profile's fallback.

    A destination of a rotation has its `rotation` instead, from which the caller makes the expansion.
    """

    expansion: Expansion | None
    passed_over: list[int]
    rule_id: int | None
    destination: Destination | None
    how: How | None
    # The id and the revision of the rotation that chose.
    rotation: tuple[int, int] | None = None


Rotations = Callable[[int], Rotation | None]
_Pick = tuple[Destination, tuple[int, int] | None]


def run_plan(plan: Plan, visitor: Visitor, rotations: Rotations) -> Chosen:
    """Return where a click goes, and take its place in the caps."""
    facts, capacity = visitor.facts, visitor.capacity
    if plan.cap_ids and not capacity.has_left(plan.cap_ids):
        return _exhausted(plan)
    passed_over: list[int] = []
    for rule in plan.rules:
        failed = _failed(rule, facts)
        if failed is not None:
            passed_over.append(failed)
            continue
        picked = _pick(rule.destinations, rule.is_sticky, visitor, rotations, plan.cap_ids)
        if picked is not None:
            destination, rotation = picked
            return Chosen(destination.expansion, passed_over, rule.rule_id, destination, None, rotation)
        # Without a place in the link's own caps, no rule and no country has one.
        if plan.cap_ids and not capacity.has_left(plan.cap_ids):
            return _exhausted(plan, passed_over)
        if rule.overflow is not None:
            if not _take(plan.cap_ids, visitor):
                return _exhausted(plan, passed_over)
            return Chosen(rule.overflow, passed_over, rule.rule_id, None, How.OVERFLOW)
        passed_over.append(NO_CAPACITY)
    if not _take(plan.cap_ids, visitor):
        return _exhausted(plan, passed_over)
    if plan.countries:
        expansion = plan.countries.get(facts.country)
        if expansion is not None:
            return Chosen(expansion, passed_over, None, None, How.COUNTRY)
    return Chosen(None, passed_over, None, None, None)


def outcome_of(plan: Plan, chosen: Chosen, facts: dict[str, Any]) -> list[Any]:
    """Return the outcome as the record has it (RoutingOutcome). `facts` are those that were looked up."""
    if chosen.rotation is not None:
        facts = {**facts, "rotation": list(chosen.rotation)}
    number = None if chosen.destination is None else chosen.destination.number
    return [plan.revision, chosen.passed_over, chosen.rule_id, number, chosen.how, facts]


def _failed(rule: Rule, facts: Facts) -> int | None:
    """Return the number of the first condition that does not hold, INACTIVE, or None if the rule applies."""
    if not rule.is_active:
        return INACTIVE
    for number, test in enumerate(rule.tests):
        if not test(facts):
            return number
    return None


def _exhausted(plan: Plan, passed_over: list[int] | None = None) -> Chosen:
    how = How.FALLBACK if plan.overflow is None else How.OVERFLOW
    return Chosen(plan.overflow, passed_over or [], None, None, how)


def _pick(
    destinations: Sequence[Destination],
    is_sticky: bool,
    visitor: Visitor,
    rotations: Rotations,
    cap_ids: tuple[int, ...],
) -> _Pick | None:
    """Choose among destinations and take a place in their caps and in `cap_ids`. None if none has one left."""
    has_left = visitor.capacity.has_left
    options = [each for each in destinations if not each.cap_ids or has_left(each.cap_ids)]
    while options:
        option = sticky_choice(options, visitor.facts.seed) if is_sticky else random_choice(options, visitor.draw())
        wanted = cap_ids + option.cap_ids
        if option.rotation_id is None:
            if _take(wanted, visitor):
                return option, None
        else:
            rotation = rotations(option.rotation_id)
            inner = rotation and _pick(rotation.destinations, rotation.is_sticky, visitor, _no_rotations, wanted)
            if rotation and inner:
                return inner[0], (option.rotation_id, rotation.revision)
        # RACE: another click may have taken the last place between the look and the taking.
        options = [each for each in options if each is not option]
    return None


def _take(cap_ids: tuple[int, ...], visitor: Visitor) -> bool:
    """Take a place in caps."""
    if not cap_ids:
        return True
    return visitor.capacity.take(cap_ids) if visitor.facts.is_counted else visitor.capacity.has_left(cap_ids)


def _no_rotations(_rotation_id: int) -> None:
    return None
