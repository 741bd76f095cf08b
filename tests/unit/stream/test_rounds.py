"""What each selection gets of a round, and that what is not shown is counted."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from admin_api.stream.notes import is_position
from admin_api.stream.rounds import CLICKS_SHOWN, Round
from admin_api.stream.selection import EventType, Selection
from event_streams import parse_events

ALL = Selection(frozenset(EventType), revenue=True)
PARTNER = Selection(frozenset({EventType.CLICK, EventType.CONVERSION}), source_id=1)


def clicks(count: int, **facts: Any) -> list[dict[str, Any]]:
    """Return clicks, newest first."""
    return [{"click_id": number, "source_id": 1, "link_id": 1} | facts for number in reversed(range(count))]


def events(data: bytes) -> list[tuple[str, Any]]:
    return [(event.name, event.data) for event in parse_events(data)]


def test_clicks_come_oldest_first_and_the_last_event_has_the_position() -> None:
    data = Round("7:7:", clicks(3)).bytes_for(ALL)
    assert [event[1]["click_id"] for event in events(data)] == [0, 1, 2]
    assert [event.position for event in parse_events(data)] == [None, None, "7:7:"]


def test_of_many_clicks_the_newest_are_shown_and_the_others_counted() -> None:
    found = events(Round("7:7:", clicks(250), unread={EventType.CLICK: 40}).bytes_for(ALL))
    shown = [data["click_id"] for name, data in found if name == "click"]
    assert shown == list(range(250 - CLICKS_SHOWN, 250))
    assert found[-1] == ("summary", {"type": "click", "others": 250 - CLICKS_SHOWN, "unread": 40})


def test_a_partner_is_told_neither_of_others_clicks_nor_how_many_there_are() -> None:
    mixed = clicks(150, source_id=1) + clicks(90, source_id=2)
    found = events(Round("7:7:", mixed, unread={EventType.CLICK: 40}).bytes_for(PARTNER))
    assert {data["source_id"] for name, data in found if name == "click"} == {1}
    assert found[-1] == ("summary", {"type": "click", "others": 150 - CLICKS_SHOWN, "unread": None})


def test_a_round_without_anything_for_a_selection_is_empty() -> None:
    done = Round("7:7:", clicks(3, source_id=2), {EventType.ISSUE: [{"issue_id": 1}]})
    assert done.bytes_for(PARTNER) == b""
    assert len(events(done.bytes_for(ALL))) == 4


def test_viewers_with_one_selection_share_the_bytes() -> None:
    done = Round("7:7:", clicks(3))
    assert done.bytes_for(ALL) is done.bytes_for(Selection(frozenset(EventType), revenue=True))


def test_a_gap_is_said_before_everything_else_to_everybody() -> None:
    done = Round("7:7:", gap="forgotten")
    for selection in (ALL, PARTNER):
        (event,) = parse_events(done.bytes_for(selection))
        assert (event.name, event.data["reason"], event.position) == ("gap", "forgotten", "7:7:")


def test_a_value_with_line_ends_stays_one_line_of_data() -> None:
    hostile = "a\n\nevent: gap\ndata: {}\r\n\r\nid: 1\u2028"
    (event,) = parse_events(Round("7:7:", clicks(1, sub1=hostile)).bytes_for(ALL))
    assert event.data["sub1"] == hostile


@pytest.mark.parametrize("text", ["1:1:", "10:20:11", "10:20:10,11,19"])
def test_a_snapshot_is_a_position(text: str) -> None:
    assert is_position(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1:1", "0:1:", "2:1:", "1:2:3", "5:9:4", "5:9:7,6", "5:9:6,6", "5:9:,", f"1:{2**63}:", "1:1:\n"),
        *("\u0661:\u0661:", "1:9:" + "2," * 1000 + "3", "1:1:'; drop table clicks"),
    ],
)
def test_other_text_is_no_position(text: str) -> None:
    assert not is_position(text)


def test_facts_are_json_as_the_admin_api_writes_it() -> None:
    (event,) = parse_events(Round("7:7:", clicks(1, cost=None)).bytes_for(ALL))
    assert orjson.loads(orjson.dumps(event.data))["cost"] is None
