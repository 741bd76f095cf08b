"""How many requests a partner may have under way, and that no outage takes the slots of the others."""

from __future__ import annotations

from worker.outgoing.partners import SLOW_S, Partners


def busy(partners: Partners, origin: str, count: int) -> None:
    for _ in range(count):
        partners.begin(origin)


def test_a_partner_has_room_up_to_the_limit() -> None:
    partners = Partners(64, 8)
    busy(partners, "a", 3)
    assert partners.free_slots() == {"a": 5}
    assert partners.under_way() == 3


def test_a_failure_leaves_room_for_one_at_a_time_and_prompt_answers_give_it_back() -> None:
    partners = Partners(64, 4)
    busy(partners, "a", 2)
    partners.end("a", 0.1, is_healthy=False)
    assert partners.free_slots() == {"a": 0}
    partners.end("a", 0.1, is_healthy=False)
    assert partners.free_slots() == {"a": 1}
    for slots in (2, 3):
        partners.begin("a")
        partners.end("a", 0.1, is_healthy=True)
        assert partners.free_slots() == {"a": slots}


def test_a_slow_answer_is_trouble_but_no_failure() -> None:
    partners = Partners(64, 8)
    partners.begin("a")
    partners.end("a", SLOW_S + 1, is_healthy=True)
    assert partners.free_slots() == {"a": 8}


def test_all_partners_in_trouble_together_get_half_of_the_slots() -> None:
    partners = Partners(16, 8)
    for number in range(100):
        partners.begin(f"slow-{number}")
        partners.end(f"slow-{number}", SLOW_S + 1, is_healthy=True)
    free_slots = partners.free_slots()
    assert sum(free_slots.values()) == 8
    for origin, slots in free_slots.items():
        busy(partners, origin, slots)
    assert sum(partners.free_slots().values()) == 0
    assert "healthy" not in partners.free_slots()


def test_turns_go_round_among_partners_in_trouble() -> None:
    partners = Partners(2, 1)
    for origin in ("a", "b"):
        partners.begin(origin)
        partners.end(origin, 20, is_healthy=False)
    turns = []
    for _ in range(4):
        (origin,) = (name for name, slots in partners.free_slots().items() if slots)
        turns.append(origin)
        partners.begin(origin)
        partners.end(origin, 20, is_healthy=False)
    assert turns == ["a", "b", "a", "b"]


def test_a_healthy_partner_at_rest_is_forgotten() -> None:
    partners = Partners(64, 8)
    partners.begin("a")
    partners.end("a", 0.1, is_healthy=True)
    assert partners.free_slots() == {}
