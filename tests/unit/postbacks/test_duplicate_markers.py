"""The marker of a postback: one for what happens once, one for each content of what may happen again."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from edge.postbacks import DuplicateMarkers
from tracking.conversions import REPEAT_WINDOW_S, REPEATABLE_EVENTS

DAY_S = 86_400


class Kept(dict[str, str]):
    """A Redis that keeps strings and notes for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[int] = []

    def set(self, key: str, value: str, ex: int, get: bool) -> bytes | None:
        """Write a string and return the one before."""
        before = self.get(key)
        self[key] = value
        self.seconds.append(ex)
        return None if before is None else before.encode()

    def delete(self, key: str) -> None:
        """Remove a string."""
        self.pop(key, None)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def markers(kept: Kept) -> DuplicateMarkers:
    made = DuplicateMarkers("redis://127.0.0.1:1/0")
    made._redis = kept  # type: ignore[assignment]
    return made


def fields(event: str, payout_minor: int | None = None, order_id: str | None = None, **more: Any) -> dict[str, Any]:
    said = {"click_id": "c", "event": event, "order_id": order_id, "status": None, "payout_minor": payout_minor}
    return {**said, "currency": "USD", "corrections": [], **more}


def test_what_happens_once_is_a_duplicate_while_it_says_the_same(markers: DuplicateMarkers, kept: Kept) -> None:
    seen = [markers.check_and_mark(1, fields("ftd", payout)) for payout in (5, 5, 6, 6, 5)]
    assert seen == [False, True, False, True, False]
    assert set(kept.seconds) == {7 * DAY_S}


@pytest.mark.parametrize("event", ["deposit", "spin"])
def test_what_may_happen_again_is_a_duplicate_of_the_same_within_seconds(
    markers: DuplicateMarkers, kept: Kept, event: str
) -> None:
    repeatable = REPEATABLE_EVENTS | {"spin"}
    seen = [markers.check_and_mark(1, fields(event, payout), repeatable) for payout in (5, 6, 5, 6)]
    assert seen == [False, False, True, True]
    assert set(kept.seconds) == {REPEAT_WINDOW_S}


def test_an_order_is_one_whatever_its_event_may_do(markers: DuplicateMarkers, kept: Kept) -> None:
    seen = [markers.check_and_mark(1, fields("deposit", payout, "7")) for payout in (5, 5, 6)]
    assert seen == [False, True, False]
    assert set(kept.seconds) == {7 * DAY_S}


def test_accounts_clicks_events_and_orders_are_told_apart(markers: DuplicateMarkers) -> None:
    different = [
        (1, fields("ftd")),
        (2, fields("ftd")),
        (None, fields("ftd")),
        (1, fields("qualified")),
        (1, fields("ftd", order_id="7")),
        (1, fields("ftd", click_id="d")),
    ]
    assert not any(markers.check_and_mark(account, said) for account, said in different)
    assert all(markers.check_and_mark(account, said) for account, said in different)


def test_an_id_is_seen_once_for_each_account_until_it_is_forgotten(markers: DuplicateMarkers) -> None:
    assert [markers.check_and_mark_nonce(*each) for each in ((1, "a"), (2, "a"), (1, "b"), (1, "a"))] == [
        False,
        False,
        False,
        True,
    ]
    markers.forget_nonce(1, "a")
    assert not markers.check_and_mark_nonce(1, "a")


def test_without_redis_nothing_is_seen_and_it_is_not_asked_at_once_again(caplog: pytest.LogCaptureFixture) -> None:
    markers = DuplicateMarkers("redis://127.0.0.1:1/0")
    assert [markers.check_and_mark(1, fields("ftd")) for _ in range(3)] == [False] * 3
    assert not markers.check_and_mark_nonce(1, "a")
    markers.forget_nonce(1, "a")
    assert caplog.text.count("Redis is away") == 1


def test_what_names_no_account_is_remembered_for_minutes_only(markers: DuplicateMarkers, kept: Kept) -> None:
    """Anybody with a click id may send it, under as many order ids as they like."""
    assert [markers.check_and_mark(None, fields("ftd", 5, order)) for order in ("7", "7", "8")] == [False, True, False]
    assert max(kept.seconds) <= 600


def test_a_redis_whose_name_is_slow_to_resolve_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    lookups = []

    def slow_and_in_vain(*_: object, **__: object) -> None:
        lookups.append(clock[0])
        clock[0] += 5.0
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr("edge.postbacks.duplicate_markers.monotonic", lambda: clock[0])
    monkeypatch.setattr(socket, "getaddrinfo", slow_and_in_vain)
    markers = DuplicateMarkers("redis://redis.example:6379/0")
    for _ in range(1000):
        assert not markers.check_and_mark(1, fields("ftd"))
        clock[0] += 1.0
    assert 5 <= len(lookups) <= 12
