"""Hosts share a cap through a real Redis: never more than the limit, and all of it while clicks come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from cap_hosts import NOON, CapHost, Clock, click_cap, end_grace, use_up
from config.caps import GRACE_S, load_use, publish_conversions
from edge.caps.table import read_sums
from tracking.caps import Cap, CapCount, CapPer, period_at

CAP = 41
MIDNIGHT = period_at(CapPer.DAY, "UTC", NOON).start_s


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hosts(redis: Redis, clock: Clock, tmp_path: Path) -> Iterator[list[CapHost]]:
    """Yield two hosts that know each other."""
    running = [CapHost(redis, tmp_path / name, clock) for name in ("a", "b")]
    for host in running * 2:
        host.step()
    yield running
    for host in running:
        host.close()


def publish(hosts: list[CapHost], *caps: Cap) -> None:
    for host in hosts:
        host.publish(*caps)
        host.step(2)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100, 1000, 54_321])
def test_exactly_the_limit_is_taken_on_two_hosts(hosts: list[CapHost], limit: int) -> None:
    publish(hosts, click_cap(CAP, limit))
    assert use_up(hosts, CAP, 500) == limit


@pytest.mark.parametrize("per", CapPer)
def test_a_cap_may_be_per_hour_day_month_or_in_total(hosts: list[CapHost], clock: Clock, per: CapPer) -> None:
    publish(hosts, click_cap(CAP, 60, per))
    assert use_up(hosts, CAP, 50) == 60
    clock.advance(7200)
    assert use_up(hosts, CAP, 50) == (60 if per is CapPer.HOUR else 0)


def test_one_host_gets_what_the_others_do_not_use(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 100))
    assert hosts[1].take(CAP, 1) == 1
    taken = 0
    for _ in range(30):
        taken += hosts[0].take(CAP, 50)
        hosts[0].step()
        hosts[1].step()
    assert taken == 99


def test_the_first_click_of_a_process_is_taken(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 20))
    assert all(process.take([CAP]) for host in hosts for process in host.processes)


def test_a_cap_without_a_grant_counts_as_exhausted(hosts: list[CapHost]) -> None:
    assert not hosts[0].processes[0].take([CAP])
    assert not hosts[0].processes[0].has_left([CAP])


def test_no_caps_are_never_exhausted(hosts: list[CapHost]) -> None:
    assert hosts[0].processes[0].take([])
    assert hosts[0].processes[0].has_left([])


def test_of_several_caps_a_click_takes_all_or_none(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 3), click_cap(CAP + 1, 1000))
    process = hosts[0].processes[0]
    taken = sum(process.take([CAP + 1, CAP]) for _ in range(10))
    hosts[0].step(2)
    assert 1 <= taken <= 3
    (use,) = load_use(hosts[0].redis, [(CAP + 1, MIDNIGHT)])
    assert use.used == taken


def test_looking_takes_nothing(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 1))
    process = next(host for host in hosts if host.processes[0].has_left([CAP])).processes[0]
    assert all(process.has_left([CAP]) for _ in range(10))
    assert process.take([CAP])
    assert not process.has_left([CAP])


def test_use_and_exhaustion_are_shown(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 40))
    (before,) = load_use(hosts[0].redis, [(CAP, MIDNIGHT)])
    assert before.used == 0
    assert 0 < before.granted < 40
    assert before.exhausted_ms is None
    use_up(hosts, CAP, 50)
    (after,) = load_use(hosts[0].redis, [(CAP, MIDNIGHT)])
    assert after[:2] == (40, 40)
    assert after.exhausted_ms is not None
    sums = [read_sums(host.home) for host in hosts]
    assert sum(each.used for each in sums) == sum(each.granted for each in sums) == 40
    assert all(each.exhausted == each.caps == 1 for each in sums)
    assert all(each.refused > 0 for each in sums)


def test_a_killed_process_loses_nothing_and_gives_nothing_twice(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 200))
    taken = hosts[0].take(CAP, 3)
    hosts[0].processes[1] = hosts[0].start_process(1)
    hosts[1].processes[0] = hosts[1].start_process(0)
    assert taken + use_up(hosts, CAP, 50) == 200


def test_a_process_that_starts_later_is_counted_by_the_others(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 200))
    taken = hosts[0].take(CAP, 2)
    hosts[0].processes.append(hosts[0].start_process(7))
    assert taken + use_up(hosts, CAP, 50) == 200


def test_a_killed_agent_goes_on_with_what_the_host_holds(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 200))
    taken = hosts[0].take(CAP, 2)
    hosts[0].start_agent()
    assert taken + use_up(hosts, CAP, 50) == 200


def test_while_redis_is_away_only_what_is_granted_is_taken(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 1000))
    (use,) = load_use(hosts[0].redis, [(CAP, MIDNIGHT)])
    assert sum(host.take(CAP, 2000) for host in hosts) == use.granted < 1000


def test_after_a_flush_nothing_is_granted_until_all_hosts_had_time_to_tell_what_they_hold(
    redis: Redis, clock: Clock, tmp_path: Path
) -> None:
    first, second = (CapHost(redis, tmp_path / name, clock, grace_s=GRACE_S) for name in ("a", "b"))
    for host in (first, second):
        host.publish(click_cap(CAP, 30))
        host.step()
    end_grace(redis)
    clock.advance(GRACE_S)
    assert use_up([first], CAP, 50) + use_up([first, second], CAP, 50) == 30
    redis.flushdb()
    for _ in range(20):
        assert second.take(CAP, 5) == 0
        second.step()
    first.step()
    end_grace(redis)
    for _ in range(20):
        assert first.take(CAP, 5) + second.take(CAP, 5) == 0
        first.step()
        second.step()
    publish([first, second], click_cap(CAP, 31))
    assert use_up([first, second], CAP, 50) == 1
    first.close()
    second.close()


def test_after_a_flush_what_a_dead_host_held_stays_taken(hosts: list[CapHost]) -> None:
    first, second = hosts
    publish(hosts, click_cap(CAP, 100))
    taken = use_up([second], CAP, 7) + use_up(hosts[:1], CAP, 7)
    publish(hosts, click_cap(CAP, 200))
    taken += first.take(CAP, 3) + second.take(CAP, 3)
    first.step(2)
    first.redis.flushdb()
    # The second host is gone. What it held when the first one last asked is not given out again.
    rest = use_up([first], CAP, 300)
    assert taken + rest <= 200
    assert rest > 0
    # When it is back, it tells what it holds, and all is used.
    assert taken + rest + use_up(hosts, CAP, 300) == 200


def test_a_new_period_begins_at_midnight_without_the_network(hosts: list[CapHost], clock: Clock) -> None:
    publish(hosts, click_cap(CAP, 1000))
    use_up(hosts, CAP, 500)
    clock.at_s = MIDNIGHT + 86_400 - 1
    assert sum(host.take(CAP, 1) for host in hosts) == 0
    clock.at_s += 1
    assert sum(host.take(CAP, 1) for host in hosts) == 2
    assert 2 + use_up(hosts, CAP, 500) == 1000


def test_a_third_period_follows_the_second(hosts: list[CapHost], clock: Clock) -> None:
    publish(hosts, click_cap(CAP, 100, CapPer.HOUR))
    for _ in range(5):
        assert use_up(hosts, CAP, 50) == 100
        clock.advance(3600 - (clock.at_s - MIDNIGHT) % 3600 + 700)
        for host in hosts * 2:
            host.step()


def test_a_clock_that_is_set_back_takes_nothing_twice(hosts: list[CapHost], clock: Clock) -> None:
    publish(hosts, click_cap(CAP, 100))
    assert use_up(hosts, CAP, 50) == 100
    tomorrow = MIDNIGHT + 86_400
    clock.at_s = tomorrow
    assert use_up(hosts, CAP, 50) == 100
    for moment in (tomorrow - 30, tomorrow + 1, tomorrow + 4000, tomorrow - 4000, tomorrow + 4000):
        clock.at_s = moment
        assert use_up(hosts, CAP, 50) == 0


def test_a_raised_limit_goes_on_and_a_lowered_one_stops(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 100))
    assert use_up(hosts, CAP, 50) == 100
    publish(hosts, click_cap(CAP, 150))
    assert use_up(hosts, CAP, 50) == 50
    publish(hosts, click_cap(CAP, 120))
    assert use_up(hosts, CAP, 50) == 0
    publish(hosts, click_cap(CAP, 151))
    assert use_up(hosts, CAP, 50) == 1


def test_a_limit_that_is_lowered_in_use_takes_the_leases_back(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 100_000))
    taken = sum(host.take(CAP, 20) for host in hosts)
    publish(hosts, click_cap(CAP, 50))
    assert taken + use_up(hosts, CAP, 500) == 50


def test_a_removed_cap_counts_as_exhausted_and_goes_on_when_it_comes_back(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 1000))
    taken = sum(host.take(CAP, 10) for host in hosts)
    for host in hosts:
        host.publish(removed=(CAP,))
        host.step()
        assert host.take(CAP, 5) == 0
    publish(hosts, click_cap(CAP + 16_384, 5))
    assert use_up(hosts, CAP + 16_384, 5) == 5
    publish(hosts, click_cap(CAP, 1000))
    assert taken == 20
    assert taken + use_up(hosts, CAP, 500) == 1000


def test_a_cap_that_gets_another_period_counts_that_anew(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 100))
    assert use_up(hosts, CAP, 50) == 100
    publish(hosts, click_cap(CAP, 100, CapPer.HOUR))
    assert use_up(hosts, CAP, 50) == 100
    publish(hosts, click_cap(CAP, 100))
    assert use_up(hosts, CAP, 50) == 0


def test_a_cap_goes_on_where_it_was_when_its_period_comes_back(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 1000))
    taken = sum(host.take(CAP, 10) for host in hosts)
    publish(hosts, click_cap(CAP, 1000, CapPer.HOUR))
    assert sum(host.take(CAP, 10) for host in hosts) == 20
    publish(hosts, click_cap(CAP, 1000))
    assert taken + use_up(hosts, CAP, 500) == 1000


def test_after_a_power_cut_what_was_held_counts_as_used(hosts: list[CapHost], monkeypatch: pytest.MonkeyPatch) -> None:
    publish(hosts, click_cap(CAP, 1000))
    taken = sum(host.take(CAP, 10) for host in hosts)
    for module in ("edge.caps.caps.boot_word", "edge.caps.grants.boot_word"):
        monkeypatch.setattr(module, lambda: 77)
    hosts[0].processes = [hosts[0].start_process(number) for number in (0, 1)]
    assert hosts[0].take(CAP, 5) == 0
    hosts[0].start_agent()
    hosts[0].step(2)
    (use,) = load_use(hosts[0].redis, [(CAP, MIDNIGHT)])
    rest = use_up(hosts[:1], CAP, 500)
    assert taken + rest <= 1000
    assert rest >= 1000 - use.granted


def test_conversions_stop_a_cap_and_a_later_period_opens_it(hosts: list[CapHost], clock: Clock) -> None:
    publish(hosts, Cap(CAP, CapCount.CONVERSIONS, CapPer.DAY, 5, "UTC"))
    assert all(host.take(CAP, 100) == 100 for host in hosts)
    publish_conversions(hosts[0].redis, {CAP: (MIDNIGHT, 5, True)})
    for host in hosts:
        host.step()
        assert host.take(CAP, 100) == 0
    hosts[0].redis.flushdb()
    for host in hosts:
        host.step(3)
        assert host.take(CAP, 100) == 0
    clock.at_s = MIDNIGHT + 86_400
    assert all(host.take(CAP, 100) == 100 for host in hosts)


def test_a_cap_that_counts_conversions_now_is_open_and_one_that_counts_clicks_again_is_not(
    hosts: list[CapHost],
) -> None:
    publish(hosts, click_cap(CAP, 50))
    assert use_up(hosts, CAP, 50) == 50
    publish(hosts, Cap(CAP, CapCount.CONVERSIONS, CapPer.DAY, 50, "UTC"))
    assert hosts[0].take(CAP, 200) == 200
    publish(hosts, click_cap(CAP, 50))
    assert use_up(hosts, CAP, 50) == 0


def test_commands_to_redis_do_not_grow_with_the_clicks(hosts: list[CapHost]) -> None:
    publish(hosts, click_cap(CAP, 1_000_000))
    before = int(hosts[0].redis.info("commandstats")["cmdstat_evalsha"]["calls"])
    clicks = 0
    for _ in range(20):
        for host in hosts:
            clicks += host.take(CAP, 500)
            host.step(1, seconds=0.1)
    calls = int(hosts[0].redis.info("commandstats")["cmdstat_evalsha"]["calls"]) - before
    assert clicks == 20_000
    assert calls < 60
