"""Why a click went where it went, in sentences that an operator can read."""

from __future__ import annotations

from typing import Any

import pytest

from tracking.routing import explain
from tracking.routing.words import condition_in_words

DOCUMENT = {
    "rules": [
        {"rule_id": 1, "name": "Off", "active": False, "destinations": []},
        {"rule_id": 2, "name": "Full", "conditions": [], "destinations": []},
        {
            "rule_id": 3,
            "name": "German phones",
            "conditions": [{"field": "country", "values": ["DE", "AT"]}, {"field": "device", "values": ["phone"]}],
            "destinations": [
                {"destination_id": 30, "name": "A", "url": "https://a.example/", "weight": 70},
                {"destination_id": 31, "url": "https://b.example/", "weight": 30},
                {"destination_id": 32, "rotation_id": 7, "weight": 1, "active": False},
            ],
        },
    ]
}
ROTATIONS = {7: {"name": "offers", "assignment": "random", "destinations": [{"destination_id": 90, "weight": 2}]}}


def last(outcome: list[Any], document: dict[str, Any] | None = DOCUMENT) -> str:
    return explain(outcome, document, {}, ROTATIONS)[-1]


def test_each_rule_is_told_with_what_passed_it_over_and_the_destination_with_its_share() -> None:
    outcome = [4, [-2, -1], 3, 30, None, {"country": "DE"}]
    decided = (
        "Rule 3 (German phones) decided, because country is DE or AT and device is phone. "
        "Destination 30 (A) was chosen, by a hash of address, user agent and link: weight 70 of 100."
    )
    assert explain(outcome, DOCUMENT, {"device": "phone"}, {}) == [
        "Rule 1 (Off) was passed over: it is switched off.",
        "Rule 2 (Full) was passed over: its conditions hold, but none of its destinations had capacity left.",
        decided,
    ]


def test_a_condition_that_failed_is_told_with_what_the_edge_saw_rather_than_what_is_stored() -> None:
    sentences = explain([4, [-2, -1, 0], None, None, None, {"country": "FR"}], DOCUMENT, {"country": "ES"}, {})
    assert sentences[2] == (
        "Rule 3 (German phones) was passed over: it asks that country is DE or AT, and country was 'FR'."
    )
    assert sentences[3] == "No rule decided, so the click went to the link's own destination."
    unknown = explain([4, [-2, -1, 0], None, None, None, {}], DOCUMENT, {}, {})
    assert unknown[2].endswith("and country was not known.")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ([4, [], None, None, "broken", {}], "could not be read"),
        ([4, [], None, None, "country", {"country": "FR"}], "the country table has a destination for FR"),
        ([4, [], None, None, "overflow", {}], "the link's overflow URL"),
        ([4, [], None, None, "fallback", {}], "the profile's fallback"),
        ([4, [-2, -1], 3, None, "overflow", {}], "all of its destinations were exhausted"),
        (
            [4, [-2, -1], 3, 90, None, {"rotation": [7, 2]}],
            "through rotation offers (revision 2), at random: weight 2 of 2",
        ),
        ([4, [-2, -1], 3, 99, None, {}], "Destination 99 was chosen."),
        ([4, [], 77, 99, None, {}], "Rule 77 decided"),
        ([4, [0] * 9, None, None, None, {}], "No rule decided"),
    ],
)
def test_every_outcome_has_a_sentence_also_where_the_document_has_changed(outcome: list[Any], said: str) -> None:
    assert said in last(outcome)


def test_a_revision_that_is_not_kept_is_told() -> None:
    assert last([4, [], 3, 30, None, {}], None) == "Revision 4 of the link decided, which is not kept."


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"field": "bot"}, "the visitor is a declared bot"),
        ({"field": "bot", "negate": True}, "the visitor is no declared bot"),
        ({"field": "asn", "values": [1, 2], "negate": True}, "network number is not 1 or 2"),
        ({"field": "parameter", "name": "x", "match": "present", "negate": True}, "parameter x is missing"),
        ({"field": "sub1", "match": "begins", "values": ["a"]}, "sub1 begins with a"),
        (
            {"field": "country", "values": list("abcdefghij")},
            "country is a or b or c or d or e or f or g or h or 2 more",
        ),
        (
            {"field": "time", "weekdays": [1, 7], "hours": [[9, 17]], "time_zone": "Asia/Tokyo", "negate": True},
            "the time is not Monday or Sunday from 9:00 to 17:00 (Asia/Tokyo)",
        ),
        ({"field": "time"}, "the time is any time"),
    ],
)
def test_conditions_read_as_sentences(condition: dict[str, Any], words: str) -> None:
    assert condition_in_words(condition) == words
