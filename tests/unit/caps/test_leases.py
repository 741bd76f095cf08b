"""Leases shrink as a cap nears its limit, and are never more than what is left."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from tracking.caps import LIMIT_MAX, lease_target


@given(
    limit=st.integers(1, LIMIT_MAX),
    part=st.floats(0, 1),
    hosts=st.integers(2, 100),
    rate=st.floats(0, 100_000),
)
def test_a_lease_is_at_least_one_and_at_most_half_a_hosts_share(
    limit: int, part: float, hosts: int, rate: float
) -> None:
    left = int(limit * part)
    target = lease_target(limit, left, hosts, rate)
    assert 1 <= target <= max(1, left // (2 * hosts))


@given(limit=st.integers(1, LIMIT_MAX), part=st.floats(0, 1), hosts=st.integers(0, 1), rate=st.floats(0, 100_000))
def test_a_host_that_is_alone_holds_all_that_is_left(limit: int, part: float, hosts: int, rate: float) -> None:
    left = int(limit * part)
    assert lease_target(limit, left, hosts, rate) == max(1, left)


def test_a_lease_covers_the_next_seconds() -> None:
    assert lease_target(1_000_000, 1_000_000, 2, used_per_s=5_000) == 25_000


def test_a_cap_in_little_use_is_asked_for_seldom() -> None:
    assert lease_target(1000, 1000, 2, used_per_s=0) == 50


def test_a_small_cap_has_something_for_each_host() -> None:
    assert lease_target(20, 20, 2, used_per_s=0) == 4


def test_a_host_that_refuses_clicks_gets_half_of_its_share() -> None:
    assert lease_target(1_000_000, 80_000, 2, used_per_s=inf) == 20_000


def test_near_the_limit_a_lease_is_one() -> None:
    assert lease_target(1000, 3, 2, used_per_s=5000) == 1
