"""Two simulated hosts with an agent and several edge processes each, one Valkey, and what can go wrong with them."""

from __future__ import annotations

import os
import random
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from redis import Redis

from config.configuration import publish_everything
from config.settings import inherited_environment
from config.shared_words import map_words
from loadtests.caps.clicker import REFUSED, TAKEN, WORDS
from loadtests.caps.hosts import Host
from loadtests.caps.served import served
from loadtests.postbacks.scene import ROOT, running_valkey
from tracking.caps import Cap

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
# How long Redis is away when it is stopped.
_AWAY_S = 2.0


@dataclass
class Scene:
    """The hosts and their Redis."""

    hosts: list[Host]
    redis: Redis
    valkey_pid: int
    processes: int
    rate: float

    def begin(self, cap: Cap) -> None:
        """Publish a cap and let clicks come to it on every process."""
        publish_everything(self.redis, secrets.token_hex(4), 1, served(cap))
        for host in self.hosts:
            for slot in range(self.processes):
                host.counts(slot).unlink(missing_ok=True)
                host.start_clicker(slot, cap.cap_id, self.rate)

    def stop(self) -> None:
        """End the clicks."""
        for host in self.hosts:
            for process in host.clickers.values():
                process.kill()
                process.wait()
            host.clickers.clear()

    def counted(self) -> tuple[int, int]:
        """Return how many clicks all processes took and how many were refused."""
        sums = [0] * WORDS
        for host in self.hosts:
            for slot in range(self.processes):
                if host.counts(slot).exists():
                    words = memoryview(map_words(host.counts(slot), WORDS, writable=True)).cast("Q").tolist()
                    sums = [total + word for total, word in zip(sums, words, strict=True)]
        return sums[TAKEN], sums[REFUSED]

    def kill_process(self, cap: Cap) -> None:
        """Kill one process, and start it again in its slot."""
        host = random.choice(self.hosts)
        host.kill_process(random.choice([*host.clickers]), cap.cap_id, self.rate)

    def kill_agent(self, cap: Cap) -> None:
        """Kill one agent, and start it again."""
        host = random.choice(self.hosts)
        assert host.agent is not None
        host.agent.kill()
        host.agent.wait()
        host.start_agent()

    def flush_redis(self, cap: Cap) -> None:
        """Take all that Redis holds."""
        self.redis.flushall()

    def stop_redis(self, cap: Cap) -> None:
        """Let Redis hang for a while."""
        os.kill(self.valkey_pid, signal.SIGSTOP)
        sleep(_AWAY_S)
        os.kill(self.valkey_pid, signal.SIGCONT)


@contextmanager
def running(directory: Path, hosts: int, processes: int, rate: float, kind: type[Host]) -> Iterator[Scene]:
    """Run the hosts and their Valkey. Each process gets `rate` clicks a second."""
    with running_valkey(directory / "redis") as (url, pid):
        made = [kind(*_place(directory, number, url, processes)) for number in range(hosts)]
        redis = Redis.from_url(url, socket_timeout=10)
        try:
            for host in made:
                host.begin()
            scene = Scene(made, redis, pid, processes, rate)
            wait(lambda: all((host.home / "spool" / "caps-1").exists() for host in made), "the agents do not start")
            yield scene
        finally:
            for host in made:
                host.end()
            redis.close()


def wait(done: Callable[[], bool], trouble: str, seconds: float = 30.0) -> None:
    """Wait until something is so. Raises TimeoutError."""
    deadline = monotonic() + seconds
    while not done():
        if monotonic() > deadline:
            raise TimeoutError(trouble)
        sleep(0.05)


def _place(directory: Path, number: int, redis_url: str, processes: int) -> tuple[Path, dict[str, str]]:
    home = directory / f"host-{number}"
    (home / "spool").mkdir(parents=True)
    inherited = inherited_environment()
    environ = {name: inherited[name] for name in _KEPT if name in inherited} | {
        "PYTHONPATH": str(ROOT),
        "WAYPOST_HOME": str(home),
        "REDIS_URL": redis_url,
        "EDGE_NODE_ID": str(number),
        "EDGE_WORKERS": str(processes),
        "CLICK_ID_KEYS": "00" * 32,
        "LOG_LEVEL": "warning",
    }
    return home, environ
