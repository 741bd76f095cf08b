"""What differs between two versions of an object."""

from __future__ import annotations

from admin_api.versions.differences import Difference, differences


def test_what_is_equal_does_not_differ() -> None:
    assert list(differences({"name": "a", "rules": [{"rule_id": 1}]}, {"name": "a", "rules": [{"rule_id": 1}]})) == []


def test_a_field_that_came_or_went_was_null_or_is_null() -> None:
    assert list(differences({"old": 1}, {"new": 2})) == [Difference("old", 1, None), Difference("new", None, 2)]


def test_entries_are_compared_with_themselves_wherever_they_stand() -> None:
    before = {"rules": [{"rule_id": 1, "name": "a"}, {"rule_id": 2, "name": "b"}]}
    after = {"rules": [{"rule_id": 3, "name": "c"}, {"rule_id": 2, "name": "B"}]}
    assert list(differences(before, after)) == [
        Difference("rules[rule_id=1]", {"rule_id": 1, "name": "a"}, None),
        Difference("rules[rule_id=2].name", "b", "B"),
        Difference("rules[rule_id=3]", None, {"rule_id": 3, "name": "c"}),
    ]


def test_another_order_is_a_difference() -> None:
    before, after = [{"rule_id": 1}, {"rule_id": 2}], [{"rule_id": 2}, {"rule_id": 1}]
    assert list(differences(before, after, "rules")) == [Difference("rules in order", [1, 2], [2, 1])]


def test_lists_without_identities_are_compared_as_a_whole() -> None:
    assert list(differences({"tags": ["a"]}, {"tags": ["a", "b"]})) == [Difference("tags", ["a"], ["a", "b"])]
    assert list(differences([], [{"rule_id": 1}], "rules")) == [Difference("rules", [], [{"rule_id": 1}])]
