"""Query parameters: read without ever failing, first value wins, other trackers' names for sub ids accepted."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.clicks import PARAMETERS_MAX, SUB_COUNT, compile_template, expand, parse_query, prepare_expansion
from tracking.clicks.parameters import sub_value

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
