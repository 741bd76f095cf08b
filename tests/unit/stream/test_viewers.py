"""The queue of a viewer is bounded, and its position never runs ahead of what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from falcon.asgi import SSEvent

from admin_api.runtime import Actor
from admin_api.stream.rounds import Round
from admin_api.stream.selection import EventType, Selection
from admin_api.stream.viewers import QUEUED_BYTES_MAX, QUEUED_ROUNDS_MAX, Credential, Viewer, Viewers
from event_streams import parse_events
from tracking.rights import Role, rights_of

SELECTION = Selection(frozenset(EventType))
OWNER = Actor("owner", 1, None, Role.OWNER, rights_of(Role.OWNER), None)


def opened(viewers: Viewers, selection: Selection = SELECTION) -> Viewer:
    return viewers.add(selection, Credential("ApiKey x"), OWNER)


async def piece(stream: AsyncIterator[SSEvent]) -> bytes:
    return (await anext(stream)).serialize()


def click_round(position: str, text: str = "") -> Round:
    return Round(position, [{"click_id": position, "source_id": None, "sub1": text}])


def test_a_viewer_gets_what_it_missed_then_its_position_then_what_comes() -> None:
    async def run() -> None:
        viewers = Viewers()
        viewers.publish(Round("1:1:"))
        viewer = opened(viewers)
        stream = viewers.events(viewer, b"event: click\ndata: {}\n\n")
        viewers.publish(click_round("2:2:"))
        first = await piece(stream)
        assert first.startswith(b"retry: ")
        assert [event.name for event in parse_events(first)] == ["click"]
        second = await piece(stream)
        assert [event.position for event in parse_events(second)] == ["2:2:"]

    asyncio.run(run())


def test_the_position_at_the_beginning_is_where_the_queue_begins() -> None:
    async def run() -> None:
        viewers = Viewers()
        viewers.publish(Round("1:1:"))
        viewer = opened(viewers)
        viewers.publish(click_round("2:2:"))
        assert (await piece(viewers.events(viewer, b""))).endswith(b"id: 1:1:\n\n")

    asyncio.run(run())


def test_a_heartbeat_moves_the_position_of_a_viewer_that_nothing_was_for() -> None:
    async def run() -> None:
        viewers = Viewers(heartbeat_s=0.01)
        viewers.publish(Round("1:1:"))
        stream = viewers.events(opened(viewers, Selection(frozenset({EventType.ISSUE}))), b"")
        await piece(stream)
        viewers.publish(click_round("2:2:"))
        beat = await piece(stream)
        assert beat.startswith(b": ")
        assert b"id: 2:2:\n\n" in beat
        assert list(parse_events(beat)) == []

    asyncio.run(run())


def test_a_viewer_that_does_not_read_is_dropped_with_a_reason_and_what_waited_is_freed() -> None:
    async def run() -> None:
        viewers = Viewers()
        slow, quick = opened(viewers), opened(viewers)
        slow_stream, quick_stream = viewers.events(slow, b""), viewers.events(quick, b"")
        for stream in (slow_stream, quick_stream):
            await piece(stream)
        for number in range(QUEUED_ROUNDS_MAX + 1):
            viewers.publish(click_round(f"{number + 1}:{number + 1}:"))
            await piece(quick_stream)
        assert (slow.ended, quick.ended) == ("slow", "")
        assert slow.queue.qsize() == 1
        (event,) = parse_events(await piece(slow_stream))
        assert (event.name, event.data) == ("end", {"reason": "slow"})
        assert [left async for left in slow_stream] == []
        assert (len(viewers), viewers.dropped) == (1, {"slow": 1})

    asyncio.run(run())


def test_a_viewer_is_dropped_for_bytes_as_well() -> None:
    async def run() -> None:
        viewers = Viewers()
        viewer = opened(viewers)
        for number in range(3):
            viewers.publish(click_round(f"{number + 1}:{number + 1}:", "x" * (QUEUED_BYTES_MAX // 2)))
        assert viewer.ended == "slow"

    asyncio.run(run())


def test_positions_are_passed_over_only_while_nobody_watches() -> None:
    viewers = Viewers()
    viewers.skip_to("1:1:")
    assert viewers.position == "1:1:"
    viewer = opened(viewers)
    viewers.skip_to("2:2:")
    assert viewers.position == "1:1:"
    viewers.remove(viewer)
    viewers.skip_to("3:3:")
    assert viewers.position == "3:3:"


def test_the_loss_meter_is_for_those_who_see_it_now_and_those_who_come() -> None:
    viewers = Viewers()
    early, blind = opened(viewers), opened(viewers, Selection(frozenset({EventType.CLICK})))
    viewers.show_meter(b"meter")
    late = opened(viewers)
    assert [viewer.queue.qsize() for viewer in (early, blind, late)] == [1, 0, 1]
