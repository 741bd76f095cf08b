"""The choice between destinations: exact shares, one for each visitor, and no more visitors moved than need be."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import pytest

from tracking.routing.choice import random_choice, sticky_choice, visitor_seed

CLICKS = 100_000
# A fair choice exceeds these in one of ten thousand runs: the quantiles of chi-square, by degrees of freedom.
CHI_SQUARE_MAX = {1: 15.14, 2: 18.42, 3: 21.11, 4: 23.51}
WEIGHTS = [[70, 30], [1, 1, 1], [1, 2, 3, 4, 90]]
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


class Option(NamedTuple):
    number: int
    weight: int


def options(weights: Sequence[int], first: int = 40) -> list[Option]:
    """Return destinations numbered one after another, as the server numbers those of one document."""
    return [Option(first + at, weight) for at, weight in enumerate(weights)]


@lru_cache(4)
def visitors(count: int, link_id: int = 7) -> list[int]:
    """Return the seeds of visitors that differ in as little as visitors do: one address after another, one agent."""
    return [visitor_seed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", AGENT, link_id) for n in range(count)]


def chi_square(counts: Sequence[float], weights: Sequence[float]) -> float:
    share = sum(counts) / sum(weights)
    return sum((count - share * weight) ** 2 / (share * weight) for count, weight in zip(counts, weights, strict=True))


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_100_000_visitors_are_shared_out_as_the_weights_say(weights: list[int]) -> None:
    choices = options(weights)
    counts = Counter(sticky_choice(choices, seed).number for seed in visitors(CLICKS))
    found = chi_square([counts[option.number] for option in choices], weights)
    assert found < CHI_SQUARE_MAX[len(weights) - 1], counts


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_100_000_random_clicks_are_shared_out_as_the_weights_say(weights: list[int]) -> None:
    choices, draw = options(weights), random.Random(9).random
    counts = Counter(random_choice(choices, draw()).number for _ in range(CLICKS))
    found = chi_square([counts[option.number] for option in choices], weights)
    assert found < CHI_SQUARE_MAX[len(weights) - 1], counts


def test_a_visitor_gets_the_same_destination_again_whatever_the_order_they_are_listed_in() -> None:
    choices = options([3, 1, 2])
    for seed in visitors(500):
        assert sticky_choice(choices, seed) == sticky_choice(choices[::-1], seed) == sticky_choice(choices, seed)


def test_an_address_an_agent_or_a_link_more_is_another_visitor() -> None:
    seeds = {
        visitor_seed(address, agent, link_id)
        for address in ("192.0.2.1", "192.0.2.11", "", "2001:db8::1")
        for agent in ("", "1", "caf\xe9", "\xff\x00")
        for link_id in (1, 11)
    }
    assert len(seeds) == 32


def test_the_choice_on_one_link_says_nothing_of_the_choice_on_another() -> None:
    pairs = Counter(
        (sticky_choice(options([1, 1]), one).number, sticky_choice(options([1, 1]), other).number)
        for one, other in zip(visitors(20_000, 1), visitors(20_000, 2), strict=True)
    )
    assert chi_square(list(pairs.values()), [1, 1, 1, 1]) < CHI_SQUARE_MAX[3]


def test_the_choice_within_a_rotation_does_not_depend_on_the_choice_that_led_there() -> None:
    outer, inner = options([1, 1]), options([1, 1], 90)
    pairs = Counter((sticky_choice(outer, s).number, sticky_choice(inner, s).number) for s in visitors(20_000))
    assert chi_square(list(pairs.values()), [1, 1, 1, 1]) < CHI_SQUARE_MAX[3]


def test_more_weight_for_one_destination_takes_visitors_to_it_alone() -> None:
    before, after = options([1, 1, 1, 1]), [*options([1, 1, 1]), Option(43, 3)]
    moves = Counter((sticky_choice(before, s).number, sticky_choice(after, s).number) for s in visitors(20_000))
    moved = sum(count for (old, new), count in moves.items() if old != new)
    assert {new for old, new in moves if old != new} == {43}
    # From a quarter to a half of all visitors.
    assert 4_700 < moved < 5_300


def test_a_destination_that_is_gone_or_exhausted_leaves_all_other_visitors_where_they_are() -> None:
    choices = options([5, 3, 2])
    without = [choices[0], choices[2]]
    for seed in visitors(5_000):
        old = sticky_choice(choices, seed)
        if old.number != 41:
            assert sticky_choice(without, seed) == old


def test_a_random_number_just_below_one_still_chooses() -> None:
    assert random_choice(options([1, 2]), 1 - 2**-53).number == 41
    assert random_choice(options([1, 2]), 0.0).number == 40
    assert random_choice(options([1]), 0.5).number == 40
