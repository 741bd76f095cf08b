"""The limit of an account: exact within one process, told in the draft's fields, and no way to fill a disk."""

from __future__ import annotations

import pytest

from edge.postbacks import RateLimits
from edge.postbacks.rate_limits import SAMPLE_SIZE, SENDERS_MAX, WINDOW_S, sender_of


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_requests_pass_in_a_minute_and_then_none_until_it_is_over() -> None:
    clock = Clock()
    limits = RateLimits(3, clock)
    assert [limits.consume("a").is_exceeded for _ in range(5)] == [False, False, False, True, True]
    clock.now += WINDOW_S - 0.1
    assert limits.consume("a").is_exceeded
    clock.now += 0.1
    assert not limits.consume("a").is_exceeded


def test_each_sender_has_a_quota_of_its_own_and_may_have_another_one() -> None:
    limits = RateLimits(1, Clock())
    assert [limits.consume(sender).is_exceeded for sender in ("a", "b", "a")] == [False, False, True]
    assert [limits.consume("c", 2).is_exceeded for _ in range(3)] == [False, False, True]


def test_the_fields_say_what_is_left_and_for_how_long() -> None:
    clock = Clock()
    limits = RateLimits(2, clock)
    assert limits.consume("a").headers() == {
        "RateLimit-Policy": '"postbacks";q=2;w=60',
        "RateLimit": '"postbacks";r=1;t=60',
    }
    clock.now += 45.5
    assert limits.consume("a").headers()["RateLimit"] == '"postbacks";r=0;t=15'
    assert limits.consume("a").headers() == {
        "RateLimit-Policy": '"postbacks";q=2;w=60',
        "RateLimit": '"postbacks";r=0;t=15',
        "Retry-After": "15",
    }


def test_of_a_flood_only_a_sample_is_stored() -> None:
    limits = RateLimits(5, Clock())
    shares = [limits.consume("a") for _ in range(1000)]
    assert sum(share.is_exceeded and share.is_sample for share in shares) == SAMPLE_SIZE


def test_more_senders_than_are_counted_apart_share_one_count() -> None:
    limits = RateLimits(2, Clock())
    for number in range(SENDERS_MAX):
        limits.consume(str(number))
    assert [limits.consume(f"late {number}").is_exceeded for number in range(4)] == [False, False, True, True]
    assert not limits.consume("0").is_exceeded


@pytest.mark.parametrize(
    ("merchant_id", "address", "sender"),
    [
        (7, "192.0.2.1", "account 7"),
        (None, "192.0.2.1", "192.0.2.1"),
        (None, "", "unknown address"),
        (None, "nonsense", "unknown address"),
    ],
)
def test_a_request_counts_for_its_account_or_else_for_its_address(
    merchant_id: int | None, address: str, sender: str
) -> None:
    assert sender_of(merchant_id, address) == sender


def test_addresses_of_one_ipv6_network_are_one_sender() -> None:
    one, same, other = (sender_of(None, f"2001:db8:0:{net}::{host}") for net, host in ((1, 1), (1, "ffff"), (2, 1)))
    assert one == same != other
