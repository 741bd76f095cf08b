"""Edge hosts for tests of caps: a host's shared memory, mirror, agent and processes, on a clock of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from config.caps.keys import EPOCH_KEY
from config.configuration import MirrorWriter, cap_key, encode_cap, mirror_meta
from edge.caps import CapKeeper, CapRows, Caps, Grants
from tracking.caps import Cap, CapCount, CapPer

NOON = 1_795_608_000  # 2026-11-25 12:00 UTC


@dataclass
class Clock:
    """The time of all hosts: `at_s` in Unix seconds, `elapsed_s` since some moment."""

    at_s: float = NOON
    elapsed_s: float = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.at_s += seconds
        self.elapsed_s += seconds


class CapHost:
    """One host. `processes` are edge processes, which take clicks; `step` is a round of its agent."""

    def __init__(self, redis: Redis, home: Path, clock: Clock, grace_s: float = 0.0) -> None:
        self.redis, self.home, self.clock, self.grace_s = redis, home, clock, grace_s
        home.mkdir(parents=True, exist_ok=True)
        self.mirror = MirrorWriter(home / "mirror", 1 << 24)
        self.version = 0
        self.processes = [self.start_process(number) for number in (0, 1)]
        self.keeper = self.start_agent()

    def start_process(self, number: int) -> Caps:
        """Start the process of a slot, also after the one before was killed."""
        return Caps(self.home, f"0-{number}", lambda: self.clock.at_s)

    def start_agent(self) -> CapKeeper:
        """Start the agent, also after the one before was killed."""
        rows = CapRows(Grants(self.home), self.mirror, lambda: self.clock.at_s, lambda: self.clock.elapsed_s)
        self.keeper = CapKeeper(rows, self.redis, self.grace_s)
        return self.keeper

    def publish(self, *caps: Cap, removed: tuple[int, ...] = ()) -> None:
        """Change caps in this host's mirror."""
        self.version += 1
        changes: dict[str, bytes | None] = {cap_key(cap.cap_id): encode_cap(cap) for cap in caps}
        changes |= {cap_key(cap_id): None for cap_id in removed}
        self.mirror.apply(mirror_meta("epoch", self.version, "0-0"), changes)

    def step(self, rounds: int = 1, seconds: float = 1.1) -> None:
        """Do rounds of the agent, with time between them so that each of them listens and reports."""
        for _ in range(rounds):
            self.clock.advance(seconds)
            self.keeper.step()

    def take(self, cap_id: int, most: int) -> int:
        """Let clicks come to the processes in turn, and return how many were taken."""
        return sum(self.processes[number % len(self.processes)].take([cap_id]) for number in range(most))

    def close(self) -> None:
        """Close the mirror."""
        self.mirror.close()


def end_grace(redis: Redis) -> None:
    """Make Redis's data as old as it must be before anything is granted."""
    epoch = redis.get(EPOCH_KEY)
    assert isinstance(epoch, bytes)
    redis.set(EPOCH_KEY, epoch.partition(b":")[0] + b":0")


def click_cap(cap_id: int, limit: int, per: CapPer = CapPer.DAY, time_zone: str = "UTC") -> Cap:
    """Return a cap on clicks."""
    return Cap(cap_id, CapCount.CLICKS, per, limit, time_zone)


def use_up(hosts: list[CapHost], cap_id: int, most: int) -> int:
    """Let clicks come to all hosts, with rounds of their agents, until none is taken. Return how many were taken."""
    total, idle = 0, 0
    while idle < 8:
        taken = sum(host.take(cap_id, most) for host in hosts)
        for host in hosts:
            host.step()
        total += taken
        idle = 0 if taken else idle + 1
    return total
