"""How many requests a partner may have under way, and that no outage takes the slots of the others."""

from __future__ import annotations

from worker.outgoing.partners import SLOW_S, Partners


def busy(partners: Partners, origin: str, count: int) -> None:
    for _ in range(count):
        partners.begin(origin)


def test_a_partner_has_room_up_to_the_limit() -> None:
    partners = Partners(64, 8)
    busy(partners, "a", 3)
    assert partners.rooms() == {"a": 5}
    assert partners.under_way() == 3


def test_a_failure_leaves_room_for_one_at_a_time_and_prompt_answers_give_it_back() -> None:
    partners = Partners(64, 4)
    busy(partners, "a", 2)
    partners.end("a", 0.1, is_healthy=False)
    assert partners.rooms() == {"a": 0}
    partners.end("a", 0.1, is_healthy=False)
    assert partners.rooms() == {"a": 1}
    for room in (2, 3):
        partners.begin("a")
        partners.end("a", 0.1, is_healthy=True)
        assert partners.rooms() == {"a": room}


def test_a_slow_answer_is_trouble_but_no_failure() -> None:
    partners = Partners(64, 8)
    partners.begin("a")
    partners.end("a", SLOW_S + 1, is_healthy=True)
    assert partners.rooms() == {"a": 8}


def test_all_partners_in_trouble_together_get_half_of_the_slots() -> None:
    partners = Partners(16, 8)
    for number in range(100):
        partners.begin(f"slow-{number}")
        partners.end(f"slow-{number}", SLOW_S + 1, is_healthy=True)
    rooms = partners.rooms()
    assert sum(rooms.values()) == 8
    for origin, room in rooms.items():
        busy(partners, origin, room)
    assert sum(partners.rooms().values()) == 0
    assert "healthy" not in partners.rooms()


def test_turns_go_round_among_partners_in_trouble() -> None:
    partners = Partners(2, 1)
    for origin in ("a", "b"):
        partners.begin(origin)
        partners.end(origin, 20, is_healthy=False)
    turns = []
    for _ in range(4):
        (origin,) = (name for name, room in partners.rooms().items() if room)
        turns.append(origin)
        partners.begin(origin)
        partners.end(origin, 20, is_healthy=False)
    assert turns == ["a", "b", "a", "b"]


def test_a_healthy_partner_at_rest_is_forgotten() -> None:
    partners = Partners(64, 8)
    partners.begin("a")
    partners.end("a", 0.1, is_healthy=True)
    assert partners.rooms() == {}
