"""Chooses one of several destinations by their weights: always the same one for a visitor, or a random one.

Sticky choice is weighted rendezvous hashing: each destination draws a number from the visitor and its own id, and the
best one wins. So shares are exactly the weights, nothing is stored, and a visitor moves only when the destination that
he had is gone or another one gains weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import log
from typing import Protocol, TypeVar

_MASK = (1 << 64) - 1


class Weighted(Protocol):
    """Something to choose: `number` is its id, `weight` is above 0."""

    @property
    def number(self) -> int:
        """What tells it from the others, for as long as it exists."""

    @property
    def weight(self) -> int:
        """Its share, compared with the others."""


Option = TypeVar("Option", bound=Weighted)


def visitor_seed(address: str, user_agent: str, link_id: int) -> int:
    """Return 64 bits of a visitor of a link. The texts are those of the click record (latin-1)."""
    # A line break cannot be in either text, so no two visitors are written alike.
    text = f"{link_id}\n{address}\n{user_agent}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def sticky_choice(options: Sequence[Option], seed: int) -> Option:
    """Return the option of a visitor. There must be at least one."""
    if len(options) == 1:
        return options[0]
    best, best_score = options[0], float("inf")
    for option in options:
        # SplitMix64's finalizer. PERF: as a function of its own it costs a third more.
        mixed = (seed + option.number * 0x9E3779B97F4A7C15) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        # A number above 0 and up to 1. -ln(u)/weight is exponential with that rate, and the least of several is each
        # one's with its share.
        score = -log((((mixed ^ (mixed >> 31)) >> 11) + 1) * 2.0**-53) / option.weight
        if score < best_score:
            best, best_score = option, score
    return best


def random_choice(options: Sequence[Option], draw: float) -> Option:
    """Return the option at `draw`, a random number from 0 up to but below 1. There must be at least one."""
    left = draw * sum(option.weight for option in options)
    for option in options:
        left -= option.weight
        if left < 0:
            return option
    return options[-1]
