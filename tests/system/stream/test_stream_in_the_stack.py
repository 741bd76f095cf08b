"""The live stream as viewers have it: real processes, plain sockets, hundreds of viewers at once, and a kill."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import orjson
import pytest

from event_streams import EventStream, open_stream
from running_stack import Stack, children
from waiting import wait_until
from world import World

VIEWERS = 500
# What the stream's process may take more with 500 viewers, each of which gets the same bytes.
VIEWER_BYTES_MAX = 300_000


@pytest.fixture
def link(world: World) -> dict[str, Any]:
    return world.link()


# Looking whether a link is live is a click of class head.
ASKED = "?types=click&class=bot,valid,duplicate,rate"


@asynccontextmanager
async def opened(
    stack: Stack, count: int, query: str = "?types=click", **headers: str
) -> AsyncIterator[list[EventStream]]:
    streams: list[EventStream] = []
    try:
        for _ in range(0, count, 50):
            streams += await asyncio.gather(
                *(open_stream(stack.stream_port, stack.token, query, **headers) for _ in range(min(50, count)))
            )
        assert {stream.status for stream in streams} == {200}
        yield streams
    finally:
        for stream in streams:
            stream.close()


def stream_process(stack: Stack) -> int:
    """Return the process that serves streams, a child of granian's main process."""
    main = wait_until(lambda: stack.pid("stream"), what="the stream's process")
    return wait_until(lambda: next(iter(workers(main)), None), what="the stream's worker")


def workers(main: int) -> Sequence[int]:
    return [pid for pid in children(main) if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def latencies_ms(stack: Stack, count: int = 40) -> list[float]:
    taken = []
    for _ in range(count):
        began = perf_counter()
        assert stack.api("GET", "/v1/links?limit=1").status == 200
        taken.append((perf_counter() - began) * 1000)
    return taken


def test_five_hundred_viewers_all_get_a_click_and_the_admin_api_goes_on_answering(
    stack: Stack, world: World, link: dict[str, Any]
) -> None:
    async def run() -> None:
        quiet, beside = [], []
        pid = stream_process(stack)
        before = resident_bytes(pid)
        quiet += await asyncio.to_thread(latencies_ms, stack)
        async with opened(stack, VIEWERS, f"{ASKED}&link={link['link_id']}") as streams:
            beside += await asyncio.to_thread(latencies_ms, stack)
            click_id = await asyncio.to_thread(world.click, link)
            events = await asyncio.gather(*(stream.until("click", 40) for stream in streams))
            beside += await asyncio.to_thread(latencies_ms, stack)
            taken = resident_bytes(pid) - before
        quiet += await asyncio.to_thread(latencies_ms, stack)
        assert {event.data["click_id"] for event in events} == {click_id}
        assert taken < VIEWERS * VIEWER_BYTES_MAX
        assert median(beside) < 3 * median(quiet)

    asyncio.run(run())


def test_a_killed_process_loses_no_event_of_a_viewer_that_comes_back(
    stack: Stack, world: World, link: dict[str, Any]
) -> None:
    async def run() -> None:
        query = f"{ASKED}&link={link['link_id']}"
        async with opened(stack, 1, query) as (stream,):
            clicks = [await asyncio.to_thread(world.click, link) for _ in range(3)]
            seen = [(await stream.until("click")).data["click_id"] for _ in clicks]
            os.kill(stream_process(stack), signal.SIGKILL)
            while await stream.block():
                pass
            clicks += [await asyncio.to_thread(world.click, link) for _ in range(3)]
            await asyncio.to_thread(stack.await_click, clicks[-1])
            await asyncio.to_thread(wait_until, lambda: ready(stack), 30, "the stream to be back")
            assert stream.position is not None
            async with opened(stack, 1, query, Last_Event_ID=stream.position) as (again,):
                clicks.append(await asyncio.to_thread(world.click, link))
                seen += [(await again.until("click")).data["click_id"] for _ in clicks[3:]]
        assert set(seen) == set(clicks)
        assert [event.name for event in again.events] == ["click"] * 4

    asyncio.run(run())


def test_a_position_of_nowhere_is_a_gap_and_the_stream_goes_on(
    stack: Stack, world: World, link: dict[str, Any]
) -> None:
    async def run() -> None:
        for position in ("nonsense", "99999999999:99999999999:", "4294967296:4294967296:"):
            async with opened(stack, 1, "?types=click", Last_Event_ID=position) as (stream,):
                assert (await stream.until("gap")).data["reason"] == "unknown"
                click_id = await asyncio.to_thread(world.click, link)
                while (await stream.until("click")).data["click_id"] != click_id:
                    pass

    asyncio.run(run())


def test_who_may_not_see_anything_is_told_why(stack: Stack) -> None:
    async def run() -> None:
        for token, query, status, code in (
            ("wp_of_nobody_at_all_000000", "", 401, "bad-token"),
            (stack.token, "?types=clicks", 400, "invalid-field"),
            (stack.token, "?nonsense=1", 400, "invalid-field"),
        ):
            stream = await open_stream(stack.stream_port, token, query)
            body = await stream.reader.readexactly(int(stream.headers["content-length"]))
            stream.close()
            assert (stream.status, orjson.loads(body)["code"]) == (status, code)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:{admin}", True),
        ("http://127.0.0.1:1", False),
        ("http://evil.example:{admin}", False),
        ("null", False),
    ],
)
def test_only_a_page_of_the_admin_may_read_the_stream(stack: Stack, origin: str, allowed: bool) -> None:
    async def run() -> None:
        named = origin.format(admin=stack.admin_port)
        async with opened(stack, 1, "", Origin=named) as (stream,):
            assert stream.headers.get("access-control-allow-origin") == (named if allowed else None)
            assert stream.headers.get("access-control-allow-credentials") == ("true" if allowed else None)

    asyncio.run(run())


def ready(stack: Stack) -> bool:
    async def ask() -> bool:
        try:
            stream = await open_stream(stack.stream_port, stack.token, "?types=issue")
        except (ConnectionError, asyncio.IncompleteReadError):
            return False
        stream.close()
        return stream.status == 200

    return asyncio.run(ask())
