"""The plan of a link: its rules as they are published, compiled once from the rule document, and as the edge runs them.

    plan         [revision, rules, countries, cap ids, overflow, prefix of {dyn}]
    rule         [rule_id, active, conditions, destinations, sticky, overflow]
    destination  [destination_id, weight, parts or rotation_id, cap ids]
    rotation     [revision, destinations, sticky]

`overflow`, and each value of `countries`, is a compiled template (tracking.clicks.template) or null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracking.clicks import Expansion, compile_template, prepare_expansion, with_source_prefix
from tracking.routing.conditions import Test, compile_condition, decode_condition

Subs = Sequence[str | None]
# What decoding or running a plan raises that another release published, or that is damaged.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError)
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination with a weight above 0: `parts` of its template, or the rotation that chooses. `number` is its id.

    `expansion` is made beforehand where the sub ids of the link are known, so not in a rotation.
    """

    number: int
    weight: int
    parts: list[str] | None
    rotation_id: int | None
    cap_ids: tuple[int, ...]
    expansion: Expansion | None


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation as published."""

    revision: int
    destinations: tuple[Destination, ...]
    is_sticky: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. `tests` must all hold."""

    rule_id: int
    is_active: bool
    tests: tuple[Test, ...]
    destinations: tuple[Destination, ...]
    is_sticky: bool
    overflow: Expansion | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules of a link, in their order, and what comes after them."""

    revision: int
    rules: tuple[Rule, ...]
    countries: Mapping[str, Expansion]
    cap_ids: tuple[int, ...]
    overflow: Expansion | None
    prefix: str
    # Whether a rule asks if the visitor was here before. Then every visit has to be remembered.
    asks_visitor: bool


def compile_plan(document: Document, revision: int, prefix: str) -> list[Any]:
    """Return the plan of a complete rule document. `prefix` is that of the link's source. Raises FieldError."""
    time_zone = document.get("time_zone") or "UTC"
    rules = [
        [
            rule["rule_id"],
            rule.get("active", True),
            [compile_condition(condition, time_zone) for condition in rule.get("conditions", [])],
            _compile_destinations(rule["destinations"], prefix, f"rules[{at}].destinations"),
            rule.get("assignment", "sticky") == "sticky",
            _compile_url(rule.get("overflow_url"), prefix, f"rules[{at}].overflow_url"),
        ]
        for at, rule in enumerate(document.get("rules", []))
    ]
    countries = {
        country: _compile_url(url, prefix, f"countries.{country}")
        for country, url in document.get("countries", {}).items()
    }
    overflow = _compile_url(document.get("overflow_url"), prefix, "overflow_url")
    return [revision, rules, countries, _cap_ids(document), overflow, prefix]


def compile_rotation(destinations: Sequence[Document], assignment: str, revision: int) -> list[Any]:
    """Return a rotation as it is published. `{dyn}` gets its prefix at the edge. Raises FieldError."""
    return [revision, _compile_destinations(destinations, None, "destinations"), assignment == "sticky"]


def decode_plan(published: Sequence[Any], subs: Subs) -> Plan:
    """Return a plan, ready to run. `subs` are the link's sub ids. Raises one of UNREADABLE if it is not
    one that this release can run.
    """
    revision, rules, countries, cap_ids, overflow, prefix = published
    return Plan(
        revision,
        tuple(_decode_rule(rule, subs) for rule in rules),
        {country: prepare_expansion(parts, subs) for country, parts in countries.items()},
        tuple(cap_ids),
        _expansion(overflow, subs),
        prefix,
        any(condition[0] == "visitor" for rule in rules for condition in rule[2]),
    )


def decode_rotation(published: Sequence[Any]) -> Rotation:
    """Return a rotation, ready to choose from. Raises as decode_plan."""
    revision, destinations, is_sticky = published
    return Rotation(revision, _decode_destinations(destinations, None), is_sticky)


def expansion_of(destination: Destination, subs: Subs, prefix: str) -> Expansion:
    """Return where a rotation's destination leads from a link with these sub ids and this prefix of `{dyn}`."""
    assert destination.parts is not None, "a rotation has no rotations"
    return prepare_expansion(with_source_prefix(tuple(destination.parts), prefix), subs)


def _decode_rule(rule: Sequence[Any], subs: Subs) -> Rule:
    rule_id, is_active, conditions, destinations, is_sticky, overflow = rule
    tests = tuple(map(decode_condition, conditions))
    return Rule(
        rule_id, is_active, tests, _decode_destinations(destinations, subs), is_sticky, _expansion(overflow, subs)
    )


def _decode_destinations(destinations: Sequence[Any], subs: Subs | None) -> tuple[Destination, ...]:
    made = []
    for number, weight, way, cap_ids in destinations:
        if isinstance(way, int):
            made.append(Destination(number, weight, None, way, tuple(cap_ids), None))
        else:
            expansion = None if subs is None else prepare_expansion(way, subs)
            made.append(Destination(number, weight, way, None, tuple(cap_ids), expansion))
    return tuple(made)


def _compile_destinations(destinations: Sequence[Document], prefix: str | None, field: str) -> list[list[Any]]:
    """Return the destinations that may be chosen."""
    return [
        [
            each["destination_id"],
            each.get("weight", 1),
            each["rotation_id"] if "rotation_id" in each else _compile_url(each["url"], prefix, f"{field}[{at}].url"),
            _cap_ids(each),
        ]
        for at, each in enumerate(destinations)
        if each.get("active", True) and each.get("weight", 1) > 0
    ]


def _compile_url(url: str | None, prefix: str | None, field: str) -> list[str] | None:
    if url is None:
        return None
    parts = compile_template(url, field)
    return list(parts) if prefix is None else with_source_prefix(parts, prefix)


def _cap_ids(document: Document) -> list[int]:
    return [cap["cap_id"] for cap in document.get("caps", [])]


def _expansion(parts: Sequence[str] | None, subs: Subs) -> Expansion | None:
    return None if parts is None else prepare_expansion(parts, subs)
