"""`python -m loadtests.streams`: opens hundreds of live streams in a stack of its own while clicks are stored.

It prints what the stream takes, how late clicks come, and how the admin API answers beside it. Viewers and processes of
the stack share this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import NamedTuple

import urllib3

from config.settings import embedded_settings
from loadtests.demo.api import AdminApi
from loadtests.demo.stack import locate_stack
from loadtests.pipeline.stack import SHIPPING, STORING, BenchError, Stack, running_stack
from loadtests.streams.viewers import Crowd, watch

VIEWERS_MAX = 4000
_TICKS = os.sysconf("SC_CLK_TCK")
_START_S = 90.0
# For how long clicks go on while streams are opened, before they are counted.
_OPENING_S = 60


class Measured(NamedTuple):
    """One row of the table. CPU is a share of one core; `late_ms` has median and p99."""

    viewers: int
    crowd: Crowd
    resident_bytes: int
    cpu: float
    late_ms: tuple[float, float]
    admin_ms: float


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.streams", description=__doc__)
    parser.add_argument("--viewers", type=int, nargs="+", default=[0, 500, 1000], help="how many streams, in turn")
    parser.add_argument("--rate", type=int, default=500, help="clicks a second")
    parser.add_argument("--seconds", type=int, default=15, help="for how long each is measured")
    arguments = parser.parse_args()
    if not all(0 <= count <= VIEWERS_MAX for count in arguments.viewers):
        parser.error(f"--viewers must be from 0 to {VIEWERS_MAX}")
    seconds = arguments.seconds * len(arguments.viewers) + _OPENING_S
    try:
        with running_stack({}, with_edge=False) as stack:
            stream = _begin(stack, arguments.rate, int(seconds * arguments.rate))
            for count in arguments.viewers:
                print(_row(asyncio.run(_measure(stack, stream, count, arguments.seconds))), flush=True)
                stack.check()
    except BenchError as error:
        sys.stderr.write(f"streams: {error.message}\n")
        return 1
    return 0


def _begin(stack: Stack, rate: int, count: int) -> int:
    """Start what stores clicks and the live stream; return the process that serves streams."""
    api = AdminApi(locate_stack(embedded_settings(stack.environ)))
    profile = api.create("/v1/profiles", {"name": "Bench", "domain": "track.example.com"})
    merchant = api.create("/v1/merchants", {"name": "Bench"})
    link = {"profile_id": profile["profile_id"], "merchant_id": merchant["merchant_id"]}
    api.create("/v1/links", {**link, "destination_url": "https://m.example/?c={click_id}"})
    for program in (SHIPPING, STORING):
        stack.begin(*program)
    main_process = stack.begin("-m", "admin_api", "stream").pid
    deadline = perf_counter() + _START_S
    while not _is_ready(stack):
        if perf_counter() > deadline:
            raise BenchError("the stream does not answer")
    stack.begin("-m", "loadtests.pipeline.writer", "--count", str(count), "--rate", str(rate))
    workers = [pid for pid, parent in _parents() if parent == main_process and b"resource_tracker" not in _command(pid)]
    print(
        "| viewers | memory of the stream | its CPU, of one core | clicks shown, all viewers, a second | MB a second |"
        " late, median (p99) | admin API, median |\n|---:|---:|---:|---:|---:|---:|---:|"
    )
    return workers[0]


async def _measure(stack: Stack, stream: int, count: int, seconds: int) -> Measured:
    crowd, until = Crowd(), asyncio.Event()
    token = (stack.home / "admin-token").read_text().strip()
    watching = asyncio.create_task(watch(int(stack.environ["STREAM_PORT"]), token, count, crowd, until))
    while crowd.opened + crowd.refused < count:
        await asyncio.sleep(0.05)
    # What was opened before counts; what came while the others were opened does not.
    crowd.bytes, crowd.clicks, crowd.late_s = 0, 0, []
    began, cpu = perf_counter(), _cpu_s(stream)
    admin_ms: list[float] = []
    while perf_counter() - began < seconds:
        admin_ms.append(await asyncio.to_thread(_ask_admin, stack, token))
        await asyncio.sleep(0.2)
    took_s = perf_counter() - began
    resident = int(Path(f"/proc/{stream}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    share = (_cpu_s(stream) - cpu) / took_s
    crowd.bytes, crowd.clicks = int(crowd.bytes / took_s), int(crowd.clicks / took_s)
    until.set()
    await watching
    return Measured(count, crowd, resident, share, _late_ms(crowd.late_s), median(admin_ms))


def _row(measured: Measured) -> str:
    crowd = measured.crowd
    if crowd.refused or crowd.ended:
        raise BenchError(f"{crowd.refused} streams were refused and {crowd.ended} ended")
    middle, late = measured.late_ms
    return (
        f"| {measured.viewers:,} | {measured.resident_bytes / 1e6:.0f} MB | {measured.cpu:.0%} | {crowd.clicks:,} |"
        f" {crowd.bytes / 1e6:.1f} | {middle:.0f} ms ({late:.0f}) | {measured.admin_ms:.1f} ms |"
    )


def _late_ms(late_s: Sequence[float]) -> tuple[float, float]:
    if len(late_s) < 2:
        return 0.0, 0.0
    return median(late_s) * 1000, quantiles(late_s, n=100)[98] * 1000


def _ask_admin(stack: Stack, token: str) -> float:
    url = f"http://127.0.0.1:{stack.environ['ADMIN_PORT']}/v1/links?limit=1"
    began = perf_counter()
    reply = urllib3.request("GET", url, headers={"Authorization": f"ApiKey {token}"}, retries=False, timeout=20.0)
    if reply.status != 200:
        raise BenchError(f"the admin API answered {reply.status}")
    return (perf_counter() - began) * 1000


def _is_ready(stack: Stack) -> bool:
    url = f"http://127.0.0.1:{stack.environ['STREAM_PORT']}/readyz"
    try:
        return urllib3.request("GET", url, retries=False, timeout=2.0).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _parents() -> list[tuple[int, int]]:
    """Return all processes with their parents."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            found.append((int(entry.name), int(stat[stat.rindex(")") + 1 :].split()[1])))
    return found


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _cpu_s(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text()
    user, system = stat[stat.rindex(")") + 1 :].split()[11:13]
    return (int(user) + int(system)) / _TICKS


if __name__ == "__main__":
    sys.exit(main())
