"""Filters as a query and as the `filter` of a body: what they stand for, and what is said of wrong ones."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import Field

from admin_api.http import AnyOf, Body, Condition, Filter, InvalidFieldsError, Moment, Number, decode_json
from tracking.runtime import FieldError


class Colour(StrEnum):
    """Of what is filtered here."""

    RED = "red"
    GREEN = "green"


class ThingFilter(Filter):
    """Which things are wanted."""

    thing_id: Annotated[Number | None, Condition("thing_id = %(thing_id)s")] = None
    colour: Annotated[AnyOf[Colour] | None, Condition("colour = any(%(colour)s)")] = None
    begins_at: Annotated[Moment | None, Condition("made_at >= %(from)s"), Field(alias="from")] = None


class ThingsBody(Body):
    """Which things are changed."""

    filter: ThingFilter


def refused(body: bytes) -> list[FieldError]:
    with pytest.raises(InvalidFieldsError) as raised:
        decode_json(body, ThingsBody)
    return list(raised.value.errors)


def test_what_was_given_are_conditions_and_values_by_the_names_that_a_client_uses() -> None:
    given: dict[str, Any] = {"colour": "red,green", "from": "2026-10-31"}
    wanted = ThingFilter.model_validate(given)
    chosen = wanted.chosen()
    assert [each.as_string() for each in chosen.conditions] == ["colour = any(%(colour)s)", "made_at >= %(from)s"]
    assert chosen.values == {"colour": ["red", "green"], "from": datetime(2026, 10, 31, tzinfo=UTC)}
    assert wanted.stated() == {"colour": ["red", "green"], "from": "2026-10-31T00:00:00Z"}


def test_a_usual_value_counts_only_where_nothing_was_given() -> None:
    assert ThingFilter().chosen(colour=["red"]).values == {"colour": ["red"]}
    assert ThingFilter.model_validate({"colour": "green"}).chosen(colour=["red"]).values == {"colour": ["green"]}


@pytest.mark.parametrize("name", ["thing_id", "colour", "from"])
def test_null_is_refused_since_it_would_find_everything(name: str) -> None:
    (error,) = refused(f'{{"filter": {{"{name}": null}}}}'.encode())
    assert (error.field, error.message) == (
        f"filter.{name}",
        f"filter.{name} must not be null; leave it out",
    )


def test_an_error_names_a_filter_as_a_client_does_and_an_unknown_one_has_the_names_that_there_are() -> None:
    moment, unknown = refused(b'{"filter": {"from": "soon", "size": 1}}')
    assert moment.message == "filter.from must be a moment such as 2026-10-31T12:00:00Z, not 'soon'"
    assert (unknown.field, unknown.code) == ("filter.size", "unknown-field")
    assert unknown.message == "filter.size is not known here; the names are thing_id, colour, from"


def test_the_schema_says_that_a_filter_is_left_out_and_never_null() -> None:
    declared = ThingFilter.model_json_schema()
    assert declared["properties"]["thing_id"]["type"] == "integer"
    assert "required" not in declared
    assert all("anyOf" not in each and "default" not in each for each in declared["properties"].values())
