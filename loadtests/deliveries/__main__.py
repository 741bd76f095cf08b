"""`python -m loadtests.deliveries`: delays of healthy partners beside none, a silent and a refusing one, as a table.

Delay: from the commit that planned a delivery to the partner's reading it. Each case has its own dispatcher process and
its own partners; a stack of its own is shared. Everything runs on two cores of this machine.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import orjson
from redis import Redis

from loadtests.deliveries.load import Connection, offer, set_up
from loadtests.deliveries.partners import DEAD_ADDRESS, HEALTHY_NETWORK
from loadtests.deliveries.report import case, save, table
from loadtests.pipeline.stack import ROOT, BenchError, Stack, running_stack

CASES = ("none", "silent", "refusing")
_CORES = 2
_DRAIN_S = 20.0
_SETTINGS = {"OUTGOING_ALLOWED_NETWORKS": "127.0.0.0/8"}
_LEFT = "select count(*) from deliveries where state = 'pending' and outgoing_postback_id = any(%s)"
_PLANNED = (
    "select delivery_id::text, extract(epoch from planned_at)::float8 from deliveries"
    " where outgoing_postback_id = any(%s) and change_id > %s"
)


class Measured(NamedTuple):
    """The delays of one case in one round, and what was still pending for the dead partner at its end."""

    delays_s: list[float]
    dead_pending: int


class Partners(NamedTuple):
    """The partners' process and its ports."""

    process: subprocess.Popen[bytes]
    healthy_port: int
    dead_port: int


def main() -> int:
    """Run the cases; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.deliveries", description=__doc__)
    parser.add_argument("--rate", type=float, default=200, help="deliveries a second, over all partners")
    parser.add_argument("--seconds", type=float, default=6, help="how long a case lasts in each round")
    parser.add_argument(
        "--rounds", type=int, default=3, help="how often the cases take turns, against drifts of the machine"
    )
    parser.add_argument("--partners", type=int, default=50, help="healthy partners")
    parser.add_argument("--latency-ms", type=float, default=20, help="how long a healthy partner takes to answer")
    parser.add_argument("--save", type=Path, help="directory for the dated results")
    asked = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    delays: dict[str, list[float]] = {name: [] for name in CASES}
    pending = dict.fromkeys(CASES, 0)
    try:
        with running_stack(_SETTINGS, with_edge=False) as stack:
            for _ in range(asked.rounds):
                for name in CASES:
                    found = _measure(stack, name, asked)
                    delays[name] += found.delays_s
                    pending[name] = found.dead_pending
    except BenchError as error:
        print(f"bench-deliveries: {error.message}", file=sys.stderr)
        return 1
    results = {name: case(sorted(delays[name]), pending[name]) for name in CASES}
    print(table(results))
    if asked.save:
        print(f"written: {save(asked.save, results, asked.rate, asked.partners, asked.latency_ms)}")
    return 0


def _measure(stack: Stack, name: str, asked: argparse.Namespace) -> Measured:
    partners = _start_partners(asked.latency_ms)
    program = stack.begin("-m", "worker", "deliveries")
    healthy = [f"http://{HEALTHY_NETWORK}.{number}:{partners.healthy_port}/" for number in range(1, asked.partners + 1)]
    # Nobody listens on port 9, and the kernel says so.
    dead = {"silent": [f"http://{DEAD_ADDRESS}:{partners.dead_port}/"], "refusing": [f"http://{DEAD_ADDRESS}:9/"]}
    with stack.database() as connection, stack.redis() as redis:
        ids = set_up(connection, healthy + dead.get(name, []))
        healthy_ids = ids[: len(healthy)]
        _warm_up(stack, connection, redis, healthy_ids[:1])
        began_after = _one(connection, "select coalesce(max(change_id), 0) from conversion_changes")
        offer(connection, redis, ids, asked.rate, asked.seconds)
        deadline = monotonic() + _DRAIN_S
        while _one(connection, _LEFT, healthy_ids) and monotonic() < deadline:
            sleep(0.1)
        left = _one(connection, _LEFT, healthy_ids)
        planned = {str(row[0]): float(str(row[1])) for row in connection.execute(_PLANNED, [healthy_ids, began_after])}
        pending = _one(connection, _LEFT, ids[len(healthy) :])
    stack.check()
    program.send_signal(signal.SIGTERM)
    program.wait(15)
    stack.programs.remove(program)
    arrived, _ = partners.process.communicate()
    delays = [at - planned[each] for each, at in orjson.loads(arrived).items() if each in planned]
    if left or len(delays) != len(planned):
        raise BenchError(f"{name}: {len(planned)} planned, {len(delays)} arrived, {left} still pending")
    return Measured(delays, pending)


def _start_partners(latency_ms: float) -> Partners:
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.deliveries.partners", str(latency_ms)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    healthy_port, dead_port = process.stdout.readline().split()
    return Partners(process, int(healthy_port), int(dead_port))


def _warm_up(stack: Stack, connection: Connection, redis: Redis, ids: list[int]) -> None:
    """Wait until the dispatcher has sent something, so that its start is not part of any delay."""
    offer(connection, redis, ids, 10, 0.3)
    deadline = monotonic() + _DRAIN_S
    while _one(connection, _LEFT, ids) and monotonic() < deadline:
        stack.check()
        sleep(0.1)


def _one(connection: Connection, query: str, *values: list[int]) -> int:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    sys.exit(main())
