"""The rule document as a client sends it, and as it is stored and shown."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from admin_api.http import InvalidFieldsError, decode_json
from admin_api.routing import RoutingFields, shown_like
from admin_api.routing.document import complete

RULE = {"destinations": [{"url": "https://a.example/?c={click_id}"}]}


def faults(document: Any) -> list[str]:
    with pytest.raises(InvalidFieldsError) as refused:
        decode_json(orjson.dumps(document), RoutingFields, "routing.")
    return [error.field or "" for error in refused.value.errors]


def condition(**fields: Any) -> Any:
    return {"rules": [RULE | {"conditions": [fields]}]}


def test_a_document_is_stored_with_its_defaults_and_without_nulls() -> None:
    sent = {"rules": [RULE | {"name": None, "conditions": [{"field": "country", "values": ["DE"]}]}], "time_zone": None}
    assert complete(sent, RoutingFields) == {
        "rules": [
            {
                "active": True,
                "conditions": [{"negate": False, "field": "country", "values": ["DE"]}],
                "destinations": [{"url": "https://a.example/?c={click_id}", "weight": 1, "active": True, "caps": []}],
                "assignment": "sticky",
            }
        ],
        "countries": {},
        "caps": [],
    }


def test_what_is_stored_is_shown_with_every_field() -> None:
    shown = shown_like(RoutingFields).of(complete({"rules": [RULE]}, RoutingFields)).model_dump(by_alias=True)
    assert shown["rules"][0]["rule_id"] is None
    assert shown["rules"][0]["destinations"][0]["rotation_id"] is None
    assert (shown["overflow_url"], shown["time_zone"], shown["countries"]) == (None, None, {})


def test_what_an_older_release_stored_is_shown_with_defaults() -> None:
    shown = shown_like(RoutingFields).of({"rules": [{"conditions": [{"field": "bot"}], "destinations": []}]})
    assert shown.model_dump()["rules"][0]["conditions"] == [{"field": "bot", "negate": False}]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"rules": [{"destinations": []}]}, "routing.rules[0].destinations"),
        ({"rules": [RULE | {"weight": 1}]}, "routing.rules[0].weight"),
        ({"rules": [{"destinations": [{"url": "ftp://a/"}]}]}, "routing.rules[0].destinations[0].url"),
        ({"rules": [{"destinations": [{"url": "https://a.example/{x:raw}"}]}]}, "routing.rules[0].destinations[0].url"),
        ({"rules": [{"destinations": [{"url": "https://{sub1}.example/"}]}]}, "routing.rules[0].destinations[0].url"),
        (
            {"rules": [{"destinations": [{"url": "https://a.example/", "weight": -1}]}]},
            "routing.rules[0].destinations[0].weight",
        ),
        (
            {"rules": [{"destinations": [{"url": "https://a.example/", "weight": 1.5}]}]},
            "routing.rules[0].destinations[0].weight",
        ),
        ({"countries": {"de": "https://a.example/"}}, "routing.countries.de"),
        ({"countries": {"DE": "javascript:alert(1)"}}, "routing.countries.DE"),
        ({"caps": [{"count": "clicks", "per": "week", "limit": 1}]}, "routing.caps[0].per"),
        ({"caps": [{"count": "clicks", "per": "day", "limit": 0}]}, "routing.caps[0].limit"),
        ({"overflow_url": "https://user@a.example/"}, "routing.overflow_url"),
        ({"time_zone": "Mars/Olympus"}, "routing.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "routing.time_zone"),
        ({"rules": [RULE] * 101}, "routing.rules"),
        ({"rules": {"0": RULE}}, "routing.rules"),
        (condition(field="shoe size", values=["42"]), "routing.rules[0].conditions[0]"),
        (condition(values=["42"]), "routing.rules[0].conditions[0]"),
        (condition(field="country", values=["Germany"]), "routing.rules[0].conditions[0].values[0]"),
        (condition(field="country", values=[]), "routing.rules[0].conditions[0].values"),
        (condition(field="city", values=["a\x00b"]), "routing.rules[0].conditions[0].values[0]"),
        (condition(field="city", values=["x" * 201]), "routing.rules[0].conditions[0].values[0]"),
        (condition(field="asn", values=["AS3320"]), "routing.rules[0].conditions[0].values[0]"),
        (condition(field="device", values=["toaster"]), "routing.rules[0].conditions[0].values[0]"),
        (condition(field="time", weekdays=[8]), "routing.rules[0].conditions[0].weekdays[0]"),
        (condition(field="time", hours=[[9]]), "routing.rules[0].conditions[0].hours[0]"),
        (condition(field="bot", values=["Googlebot"]), "routing.rules[0].conditions[0].values"),
        (condition(field="parameter", match="regex", name="x"), "routing.rules[0].conditions[0].match"),
    ],
)
def test_a_hostile_document_is_refused_at_its_field(document: Any, field: str) -> None:
    assert faults(document)[0] == field


def test_an_unknown_field_of_a_condition_is_told_the_names_of_its_kind() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        decode_json(orjson.dumps(condition(field="bot", values=["x"])), RoutingFields)
    assert refused.value.message == ("rules[0].conditions[0].values is not known here; the names are negate, field")


def test_a_condition_of_an_unknown_kind_is_told_the_kinds() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        decode_json(orjson.dumps(condition(field="shoe")), RoutingFields)
    assert refused.value.message.startswith(
        "rules[0].conditions[0] has an unknown 'field'; it must be one of 'country'"
    )
