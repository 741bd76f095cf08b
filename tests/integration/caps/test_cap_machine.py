"""Whatever is killed, flushed or late, a cap is never exceeded, and all of it can be used in the end."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from cap_hosts import CapHost, Clock, click_cap, end_grace, use_up
from config.caps import GRACE_S
from config.caps.keys import EPOCH_KEY
from tracking.caps import CapPer, period_at

CAP = 9
HOSTS = st.integers(0, 2)
PROCESSES = st.integers(0, 1)


class CapMachine(RuleBasedStateMachine):
    """Three hosts with two processes each, one Redis, one cap a day. Redis's own clock is moved by hand."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.hosts: list[CapHost] = []
        self.taken: Counter[int] = Counter()
        self.limit = 0
        # The hosts that have not told what they hold since Redis was flushed.
        self.silent: set[int] = set()
        self.was_set_back = False

    @initialize(limit=st.sampled_from([1, 2, 5, 40, 1000]))
    def begin(self, limit: int) -> None:
        self.redis.flushdb()
        self.hosts = [CapHost(self.redis, self.home / str(number), self.clock, GRACE_S) for number in range(3)]
        self.set_limit(limit)
        for host in self.hosts:
            host.step()
        end_grace(self.redis)

    def set_limit(self, limit: int) -> None:
        self.limit = limit
        for host in self.hosts:
            host.publish(click_cap(CAP, limit))

    @rule(host=HOSTS, process=PROCESSES, clicks=st.sampled_from([1, 1, 2, 5, 100]))
    def click(self, host: int, process: int, clicks: int) -> None:
        day = period_at(CapPer.DAY, "UTC", int(self.clock.at_s)).start_s
        self.taken[day] += sum(self.hosts[host].processes[process].take([CAP]) for _ in range(clicks))

    @rule(host=HOSTS, seconds=st.sampled_from([0.1, 0.6, 1.1, 6.0]))
    def agent_round(self, host: int, seconds: float) -> None:
        self.hosts[host].step(seconds=seconds)
        self.silent.discard(host)

    @rule(host=HOSTS, process=PROCESSES)
    def kill_process(self, host: int, process: int) -> None:
        self.hosts[host].processes[process] = self.hosts[host].start_process(process)

    @rule(host=HOSTS)
    def kill_agent(self, host: int) -> None:
        self.hosts[host].start_agent()

    @rule()
    def flush_redis(self) -> None:
        self.redis.flushdb()
        self.silent = {0, 1, 2}

    @precondition(lambda self: not self.silent and self.redis.exists(EPOCH_KEY))
    @rule()
    def grace_passes(self) -> None:
        end_grace(self.redis)

    @rule(more=st.integers(1, 50))
    def raise_limit(self, more: int) -> None:
        self.set_limit(self.limit + more)

    @rule()
    def next_day(self) -> None:
        self.clock.at_s = period_at(CapPer.DAY, "UTC", int(self.clock.at_s)).end_s

    @rule(seconds=st.sampled_from([1, 50, 4000]))
    def clock_goes_back(self, seconds: int) -> None:
        self.clock.at_s -= seconds
        self.was_set_back = True

    @rule()
    def hours_pass(self) -> None:
        self.clock.advance(4 * 3600)

    @invariant()
    def no_day_has_more_than_its_limit(self) -> None:
        assert all(taken <= self.limit for taken in self.taken.values()), (self.taken, self.limit)

    def teardown(self) -> None:
        try:
            if self.hosts:
                self.use_the_rest()
        finally:
            for host in self.hosts:
                host.close()
            shutil.rmtree(self.home)

    def use_the_rest(self) -> None:
        end_s = period_at(CapPer.DAY, "UTC", int(self.clock.at_s)).end_s
        if end_s - self.clock.at_s < 3600:
            # Rounds take time, and this is about one day.
            self.clock.at_s = end_s
        day = period_at(CapPer.DAY, "UTC", int(self.clock.at_s)).start_s
        for _ in range(8):
            for host in self.hosts:
                host.step(seconds=1.5)
        end_grace(self.redis)
        self.taken[day] += use_up(self.hosts, CAP, 400)
        self.no_day_has_more_than_its_limit()
        if not self.was_set_back:
            assert self.taken[day] == self.limit


def test_a_cap_is_never_exceeded_and_can_be_used_up(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        machine = type("Machine", (CapMachine,), {"redis": redis})
        run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=40))
