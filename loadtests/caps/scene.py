"""Two simulated hosts with an agent and several edge processes each, one Valkey, and what can go wrong with them."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from redis import Redis

from config.configuration import cap_key, encode_cap, publish_everything
from config.settings import inherited_environment
from config.shared_words import map_words
from loadtests.caps.clicker import REFUSED, TAKEN, WORDS
from loadtests.postbacks.scene import ROOT, end, running_valkey
from tracking.caps import Cap

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
# How long Redis is away when it is stopped.
_AWAY_S = 2.0


@dataclass
class Host:
    """One edge host: its directory, its agent, and its processes by slot."""

    home: Path
    environ: dict[str, str]
    agent: subprocess.Popen[bytes] | None = None
    clickers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_agent(self) -> None:
        """Start the real agent of this host."""
        self.agent = self._start("edge.agent")

    def start_clicker(self, slot: int, cap_id: int, rate: float) -> None:
        """Start the process of a slot."""
        arguments = (str(self.home / "spool"), f"0-{slot}", str(self.counts(slot)), str(cap_id), str(rate))
        self.clickers[slot] = self._start("loadtests.caps.clicker", *arguments)

    def counts(self, slot: int) -> Path:
        """Return the file in which the process of a slot counts."""
        return self.home / f"counts-{slot}"

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.home / "programs.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )

    def end(self) -> None:
        """Stop everything of this host."""
        for process in (self.agent, *self.clickers.values()):
            if process is not None and process.poll() is None:
                end(process)


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
        publish_everything(self.redis, secrets.token_hex(4), 1, [(cap_key(cap.cap_id), encode_cap(cap))])
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
        slot = random.choice([*host.clickers])
        host.clickers[slot].kill()
        host.clickers[slot].wait()
        host.start_clicker(slot, cap.cap_id, self.rate)

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
def running(directory: Path, hosts: int, processes: int, rate: float) -> Iterator[Scene]:
    """Run the hosts and their Valkey. Each process gets `rate` clicks a second."""
    with running_valkey(directory / "redis") as (url, pid):
        made = [_host(directory, number, url) for number in range(hosts)]
        redis = Redis.from_url(url, socket_timeout=10)
        try:
            for host in made:
                host.start_agent()
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


def _host(directory: Path, number: int, redis_url: str) -> Host:
    home = directory / f"host-{number}"
    (home / "spool").mkdir(parents=True)
    inherited = inherited_environment()
    environ = {name: inherited[name] for name in _KEPT if name in inherited} | {
        "PYTHONPATH": str(ROOT),
        "WAYPOST_HOME": str(home),
        "REDIS_URL": redis_url,
        "EDGE_NODE_ID": str(number),
        "CLICK_ID_KEYS": "00" * 32,
        "LOG_LEVEL": "warning",
    }
    return Host(home, environ)
