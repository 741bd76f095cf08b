"""Where clicks go under two rule documents, added up."""

from __future__ import annotations

import pytest

from admin_api.dry_run.tally import PLACES_MAX, Place, Tally, Way, by_weight, largest

RULE = Place(1, "routing.rules[0]", "Phones")
DEFAULT = Place(None, "destination_url", None)
A = Place(10, "routing.rules[0].destinations[0]", "A", "https://a.example/")
B = Place(11, "routing.rules[0].destinations[1]", "B", "https://b.example/")
OWN = Place(None, "destination_url", None, "https://own.example/")
TO_OWN = [Way(DEFAULT, OWN, 1.0)]
SPLIT = [Way(RULE, A, 0.7), Way(RULE, B, 0.3)]


def test_a_click_that_goes_where_it_went_has_not_changed() -> None:
    tally = Tally()
    tally.add(SPLIT, list(SPLIT), "DE", [])
    tally.add(TO_OWN, list(TO_OWN), None, [])
    assert (tally.clicks, tally.changed) == (2, 0.0)
    assert {country: figures.clicks for country, figures in tally.countries.items()} == {"DE": 1, "": 1}


def test_a_new_rule_takes_clicks_from_the_default_with_what_they_earned() -> None:
    tally = Tally()
    tally.add(TO_OWN, SPLIT, "DE", [("EUR", 1000), ("USD", 50)])
    assert tally.changed == 1.0
    rules = {figures.place.field: (figures.present, figures.draft) for figures in tally.rules.values()}
    assert rules == {"destination_url": (1.0, 0.0), "routing.rules[0]": (0.0, 1.0)}
    assert tally.destinations[A.key].revenue == {"EUR": [0.0, pytest.approx(700)], "USD": [0.0, pytest.approx(35)]}
    assert (tally.revenue["EUR"].minor, tally.revenue["EUR"].changed_minor) == (1000, 1000.0)


def test_other_weights_move_the_difference_of_the_shares() -> None:
    tally = Tally()
    for _ in range(100):
        tally.add(SPLIT, [Way(RULE, A, 0.4), Way(RULE, B, 0.6)], "DE", [])
    assert tally.changed == pytest.approx(30)
    shown = {
        figures.place.name: round(figures.draft - figures.present, 6) for figures in largest(tally.destinations, 10)
    }
    assert shown == {"A": -30, "B": 30}


def test_a_rule_that_moved_is_the_same_rule_and_a_url_without_a_number_the_same_destination() -> None:
    tally = Tally()
    moved = RULE._replace(field="routing.rules[4]")
    elsewhere = OWN._replace(field="routing.countries.DE")
    tally.add([Way(RULE, OWN, 1.0)], [Way(moved, elsewhere, 1.0)], "DE", [])
    assert (tally.changed, len(tally.rules), len(tally.destinations)) == (0.0, 1, 1)


def test_weights_are_shares_of_their_sum() -> None:
    assert list(by_weight([70, 30])) == [0.7, 0.3]
    assert list(by_weight([0, 0])) == [0.0, 0.0]


def test_places_beyond_a_limit_are_added_up_as_one() -> None:
    tally = Tally()
    for number in range(PLACES_MAX + 5):
        place = Place(number, f"rule {number}", None)
        tally.add([Way(place, OWN, 1.0)], TO_OWN, None, [])
    assert len(tally.rules) == PLACES_MAX + 1
    assert tally.rules["others"].present == 6
