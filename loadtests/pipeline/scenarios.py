"""The three measurements: a steady stream into the spools, real requests through the edge, and a backlog drained."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from time import monotonic, sleep
from typing import NamedTuple

import orjson
import urllib3

from config.settings import embedded_settings
from loadtests.demo.api import AdminApi
from loadtests.demo.stack import locate_stack
from loadtests.pipeline.expense import expense
from loadtests.pipeline.figures import Figures, Run, figures
from loadtests.pipeline.sampling import Sampler, stored_of
from loadtests.pipeline.stack import SHIPPING, STORING, BenchError, Stack, running_stack

_SETTLE_S = 300.0
_HOST = "track.example.com"
_QUERY = "sub1=campaign-7&sub2=creative%20B&gclid=CjwKCAjw1234567890abcdefghijklmnop"
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


class Setup(NamedTuple):
    """What a measurement runs: settings and first statements of its stack, and how many click workers."""

    settings: dict[str, str]
    workers: int
    statements: Sequence[str] = ()


def steady(setup: Setup, seconds: int, rate: int) -> Figures:
    """Write `rate` records a second with the real spool writer, no HTTP, while everything behind the edge runs."""
    with running_stack(setup.settings, with_edge=False, statements=setup.statements) as stack:
        _begin(stack, setup.workers)
        before = expense(stack)
        with Sampler(stack) as sampler:
            arguments = ("--count", str(rate * seconds), "--rate", str(rate))
            output, _ = stack.begin("-m", "loadtests.pipeline.writer", *arguments).communicate()
            stack.check()
            written = orjson.loads(output)
            # The writer's own time: before it writes it imports and makes up its visits, which is not load.
            loaded_s = written["seconds"]
            began_at = monotonic() - loaded_s
            _await_stored(stack, sampler, written["written"])
        spent = expense(stack).since(before)
        run = Run(began_at, loaded_s, written["written"], sampler.samples, spent)
        return {"rate_asked": rate, "record_bytes": written["bytes"] / written["written"]} | figures(stack, run)


def requests(setup: Setup, seconds: int, connections: int) -> Figures:
    """Send requests to a real edge as fast as it answers them, while everything behind it runs on the same cores."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk is not installed; on Debian and Ubuntu: apt-get install wrk")
    with running_stack(setup.settings, with_edge=True, statements=setup.statements) as stack:
        url = _live_link(stack)
        _begin(stack, setup.workers)
        before = expense(stack)
        first = sum(_stored(stack).values())
        with Sampler(stack) as sampler:
            began_at = monotonic()
            command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Host: {_HOST}"]
            command += ["-H", f"User-Agent: {_AGENT}", "-H", "Referer: https://www.google.com/", url]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            loaded_s = monotonic() - began_at
            stack.check()
            if "Non-2xx" in output:
                raise BenchError(f"the edge refused requests:\n{output}")
            # Requests cut off by wrk's end were recorded too, so what the spools hold is what was answered.
            written = _quiet(sampler)
            _await_stored(stack, sampler, written)
        spent = expense(stack).since(before)
        run = Run(began_at, loaded_s, written - first, sampler.samples, spent)
        return {"edge_p99": _found(r"99%\s+(\S+)", output)} | figures(stack, run)


def drain(setup: Setup, count: int) -> Figures:
    """Fill the spools with nobody reading them, then start agent and workers and time them until all is stored."""
    with running_stack(setup.settings, with_edge=False, statements=setup.statements) as stack:
        writer = stack.begin("-m", "loadtests.pipeline.writer", "--count", str(count))
        output, _ = writer.communicate()
        stack.check()
        written = orjson.loads(output)
        before = expense(stack)
        with Sampler(stack) as sampler:
            began_at = monotonic()
            _begin(stack, setup.workers)
            _await_stored(stack, sampler, count)
            took_s = sampler.last.at - began_at
        spent = expense(stack).since(before)
        run = Run(began_at, took_s, count, sampler.samples, spent)
        return {"record_bytes": written["bytes"] / count} | figures(stack, run)


def _begin(stack: Stack, workers: int) -> None:
    for _ in range(workers):
        stack.begin(*STORING)
    stack.begin(*SHIPPING)


def _stored(stack: Stack) -> dict[str, int]:
    with stack.database() as connection:
        return stored_of(connection)


def _await_stored(stack: Stack, sampler: Sampler, count: int) -> None:
    _await(lambda: sampler.last.stored >= count, stack.check, f"{count} records to be stored")


def _quiet(sampler: Sampler) -> int:
    """Return how many records the spools hold, once that no longer grows."""
    seen = len(sampler.samples)
    _await(lambda: len(sampler.samples) > seen + 4, lambda: None, "the sampler")
    return sampler.last.written


def _await(condition: Callable[[], bool], check: Callable[[], None], what: str) -> None:
    deadline = monotonic() + _SETTLE_S
    while not condition():
        check()
        if monotonic() > deadline:
            raise BenchError(f"waited {_SETTLE_S:.0f} s in vain for {what}")
        sleep(0.05)


def _live_link(stack: Stack) -> str:
    """Make a profile and a link and return the link's URL once the edge answers it with a redirect."""
    api = AdminApi(locate_stack(embedded_settings(stack.environ)))
    profile = api.create("/v1/profiles", {"name": "Bench", "domain": _HOST})
    merchant = api.create("/v1/merchants", {"name": "Bench"})
    link = {"profile_id": profile["profile_id"], "merchant_id": merchant["merchant_id"], "slug": "bench"}
    api.create("/v1/links", {**link, "destination_url": "https://merchant.example/offer?clickid={click_id}&s={sub1}"})
    url = f"http://127.0.0.1:{stack.environ['EDGE_PORT']}/click/bench?{_QUERY}"
    # The mirror is the agent's; it has to run before the edge can answer.
    follower = stack.begin(*SHIPPING)

    def live() -> bool:
        try:
            return urllib3.request("HEAD", url, headers={"Host": _HOST}, redirect=False, retries=False).status == 302
        except urllib3.exceptions.HTTPError:
            return False

    _await(live, stack.check, "the link to be live")
    follower.terminate()
    follower.wait(30)
    stack.programs.remove(follower)
    return url


def _found(pattern: str, output: str) -> str:
    found = re.search(pattern, output)
    if found is None:
        raise BenchError(f"wrk printed something else:\n{output}")
    return found[1]
