"""Query parameters: read without ever failing, first value wins, other trackers' names for sub ids accepted."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import quote_plus, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.clicks import (
    CAMPAIGN_NAMES,
    COST_NAMES,
    EXTERNAL_ID_NAMES,
    PARAMETERS_MAX,
    STATED_NAMES,
    SUB_COUNT,
    Stated,
    characters_max,
    compile_template,
    expand,
    parse_bounded,
    parse_query,
    prepare_expansion,
    stated,
)
from tracking.clicks.parameters import parse_cost, sub_value

NO_DEFAULTS = [None] * SUB_COUNT
latin1 = st.text(st.characters(max_codepoint=255), max_size=300)


@given(query=latin1 | st.text(max_size=100))
def test_any_query_is_read(query: str) -> None:
    parameters = parse_query(query)
    assert len(parameters) <= PARAMETERS_MAX
    assert "" not in parameters


@given(query=latin1)
def test_no_query_breaks_out_of_a_location(query: str) -> None:
    parts = compile_template("https://m.example/{a}?s={sub1}", "u")
    name = next(iter(parse_query(query)), "")
    for asked in ("a", name):
        expansion = prepare_expansion([part if part != "a" else asked for part in parts], NO_DEFAULTS)
        check_location(expand(expansion, "", query, lambda name: ""))


def check_location(location: str) -> None:
    assert location.isascii()
    assert location.isprintable()
    assert " " not in location


@given(pairs=st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=20), max_size=20))
def test_what_was_encoded_is_read_back(pairs: dict[str, str]) -> None:
    query = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs.items())
    assert parse_query(query) == pairs


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("", {}),
        ("&&=&=x", {}),
        ("a", {"a": ""}),
        ("a=1&a=2", {"a": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=%zz%2", {"a": "%zz%2"}),
        ("a=x+y%2Bz", {"a": "x y+z"}),
        ("sub1=a%0d%0ab", {"sub1": "a\r\nb"}),
        ("x=\xc3\xa9", {"x": "\u00e9"}),
        ("x=\xe9", {"x": "\ufffd"}),
        ("x=%ff%00", {"x": "\ufffd\x00"}),
        ("a;b=1", {"a;b": "1"}),
    ],
)
def test_query_is_read_as(query: str, parameters: dict[str, str]) -> None:
    assert parse_query(query) == parameters


def test_parameters_beyond_the_limit_are_left_out() -> None:
    query = "&".join(f"p{number}={number}" for number in range(PARAMETERS_MAX * 3))
    assert len(parse_query(query)) == PARAMETERS_MAX


@pytest.mark.parametrize("number", range(1, SUB_COUNT + 1))
@pytest.mark.parametrize("form", ["sub{}", "sub_id_{}", "s{}", "t{}"])
def test_sub_id_is_found_under_every_name(number: int, form: str) -> None:
    assert sub_value(number, {form.format(number): "v"}, NO_DEFAULTS) == "v"


@pytest.mark.parametrize("name", ["subid", "aff_sub"])
def test_names_without_a_number_mean_the_first_sub_id(name: str) -> None:
    assert sub_value(1, {name: "v"}, NO_DEFAULTS) == "v"
    assert sub_value(2, {name: "v"}, NO_DEFAULTS) is None


def test_our_own_name_wins_and_an_empty_value_is_a_value() -> None:
    assert sub_value(1, {"aff_sub": "x", "s1": "y", "sub1": ""}, ["default"]) == ""


def test_without_a_parameter_the_default_of_the_link_holds() -> None:
    assert sub_value(2, {"sub1": "x"}, [None, "default"]) == "default"
    assert sub_value(3, {}, [None, "default"]) is None


@pytest.mark.parametrize(
    ("name", "longest"),
    [("sub1", 500), ("t9", 500), ("utm_term", 500), ("gclid", 1000), ("externalid", 1000), ("anything", 4096)],
)
@pytest.mark.parametrize("character", ["a", "%00", "%F0%9F%98%80", "\xc3\xa9", "%ff"])
def test_a_value_is_cut_to_its_limit_and_its_length_is_told(name: str, longest: int, character: str) -> None:
    assert characters_max(name) == longest
    query = f"short=1&{name}={character * longest}"
    assert parse_bounded(query) == (parse_query(query), None)
    parameters, cuts = parse_bounded(f"{query}{character * 7}")
    assert parameters == parse_query(query)
    assert cuts == {name: longest + 7}


@given(query=latin1 | st.text(max_size=100))
def test_decoding_never_makes_a_value_longer(query: str) -> None:
    assert all(len(value) <= len(query) for value in parse_query(query).values())


def test_a_destination_gets_what_is_stored_of_a_value_that_was_cut() -> None:
    expansion = prepare_expansion(compile_template("https://m.example/?s={sub2}&x={x}", "u"), NO_DEFAULTS)
    query = "x=1&s2=" + "%C3%A9" * 600
    assert unquote(expand(expansion, "", query, str)) == "https://m.example/?s=" + "\u00e9" * 500 + "&x=1"


def test_campaign_external_id_and_cost_come_from_the_first_name_that_a_click_brings() -> None:
    for place, names in enumerate((CAMPAIGN_NAMES, EXTERNAL_ID_NAMES, COST_NAMES)):
        brought = {name: str(rank) for rank, name in enumerate(names)}
        for rank in range(len(names)):
            assert str(stated(dict(reversed(brought.items())))[place]) == str(rank)
            del brought[names[rank]]
    assert {*CAMPAIGN_NAMES, *EXTERNAL_ID_NAMES, *COST_NAMES} == STATED_NAMES


def test_a_click_that_says_nothing_of_them_or_nothing_in_them_has_none() -> None:
    assert (
        stated({"sub1": "x", "gclid": "y"})
        == stated({"cid": "", "cost": "", "campaign": ""})
        == Stated(None, None, None)
    )


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("0.0125", "0.0125"),
        (" 3 ", "3"),
        (".5", "0.5"),
        ("0,5", "0.5"),
        ("0,125", "0.125"),
        ("5.", "5"),
        ("0", "0"),
        ("999999999.999999999", "999999999.999999999"),
    ],
)
def test_a_cost_is_a_plain_number(text: str, cost: str) -> None:
    assert parse_cost(text) == Decimal(cost)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", ",", "-1", "+1", "1e3", "1,234", "1.2.3", "NaN", "Infinity", "0x1", "$1", "1 2"),
        *("{cost}", "\u0661", "1\x00", "9999999999", "1.0000000001", "a" * 5000),
    ],
)
def test_a_cost_that_is_no_plain_number_or_has_two_readings_is_none(text: str) -> None:
    assert parse_cost(text) is None
