"""Tells in words why a click went where it went, from its outcome and the rule document of that revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracking.routing.outcome import INACTIVE, How, RoutingOutcome

_NAMES = {
    "asn": "network number",
    "isp": "provider",
    "os": "operating system",
    "referrer": "referring host",
    "class": "class",
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_VALUES_SHOWN = 8


def explain(
    outcome: Sequence[Any], document: Mapping[str, Any] | None, known: Mapping[str, Any], rotations: Mapping[int, Any]
) -> list[str]:
    """Return sentences about the routing of one click.

    `outcome` is clicks.routing; `document` the link's rules at that revision, None if they are not kept. `known` are
    facts that are stored of the click, by the field of a condition; those that the edge recorded come before them.
    `rotations` are rotation documents by id, at the revision that decided where it is kept.
    """
    routing = RoutingOutcome(*outcome)
    if document is None:
        return [f"Revision {routing.revision} of the link decided, which is not kept."]
    facts = {**known, **routing.facts}
    rules = document.get("rules", [])
    sentences = [
        _passed_over(number, rules[number], failed, facts)
        for number, failed in enumerate(routing.passed_over)
        if number < len(rules)
    ]
    return [*sentences, _decided(routing, rules, facts, rotations)]


def condition_in_words(condition: Mapping[str, Any]) -> str:
    """Return a condition, such as `country is DE or AT`."""
    field, negate = condition["field"], condition.get("negate", False)
    if field == "time":
        return _time_in_words(condition)
    if field == "bot":
        return "the visitor is no declared bot" if negate else "the visitor is a declared bot"
    subject = f"parameter {condition['name']}" if field == "parameter" else _NAMES.get(field, field)
    match = condition.get("match", "is")
    if match == "present":
        return f"{subject} is {'missing' if negate else 'present'}"
    verb = {
        "is": ("is", "is not"),
        "contains": ("contains", "does not contain"),
        "begins": ("begins with", "does not begin with"),
        "ends": ("ends with", "does not end with"),
    }[match][bool(negate)]
    return f"{subject} {verb} {_listed(condition.get('values', []))}"


def _passed_over(number: int, rule: Mapping[str, Any], failed: int, facts: Mapping[str, Any]) -> str:
    title = _title(number, rule)
    if failed == INACTIVE:
        return f"{title} was passed over: it is switched off."
    conditions = rule.get("conditions", [])
    if not 0 <= failed < len(conditions):
        return f"{title} was passed over: its conditions hold, but none of its destinations had capacity left."
    condition = conditions[failed]
    return f"{title} was passed over: it asks that {condition_in_words(condition)}, and {_fact(condition, facts)}."


def _decided(
    routing: RoutingOutcome, rules: Sequence[Any], facts: Mapping[str, Any], rotations: Mapping[int, Any]
) -> str:
    if routing.how == How.BROKEN:
        return "The rules could not be read at the edge, so the click went to the link's own destination."
    if routing.how == How.COUNTRY:
        return f"No rule decided; the country table has a destination for {facts.get('country') or 'the country'}."
    if routing.rule_id is None and routing.how == How.OVERFLOW:
        return "The link's caps were exhausted, so the click went to the link's overflow URL."
    if routing.how == How.FALLBACK:
        return (
            "The link's caps were exhausted and it has no overflow URL, so the click went to the profile's fallback "
            "URL, or to the link's own destination where there is none."
        )
    if routing.rule_id is None:
        said = "No rule decided" if rules else "The link has no rules"
        return f"{said}, so the click went to the link's own destination."
    number = next((at for at, rule in enumerate(rules) if rule.get("rule_id") == routing.rule_id), None)
    rule = {} if number is None else rules[number]
    title = f"Rule {routing.rule_id}" if number is None else _title(number, rule)
    held = " and ".join(condition_in_words(condition) for condition in rule.get("conditions", []))
    why = f"because {held}" if held else "which has no conditions"
    if routing.how == How.OVERFLOW:
        return f"{title} decided, {why}; all of its destinations were exhausted, so its overflow URL was used."
    chosen = _destination(rule, routing.destination_id, facts, rotations)
    return f"{title} decided, {why}. {chosen}"


def _destination(
    rule: Mapping[str, Any], destination_id: int | None, facts: Mapping[str, Any], rotations: Mapping[int, Any]
) -> str:
    options, by, through = rule.get("destinations", []), rule.get("assignment", "sticky"), ""
    used = facts.get("rotation")
    if used:
        rotation = rotations.get(used[0]) or {}
        options, by = rotation.get("destinations", []), rotation.get("assignment", by)
        through = f" through rotation {rotation.get('name') or used[0]} (revision {used[1]})"
    way = "by a hash of address, user agent and link" if by == "sticky" else "at random"
    chosen = next((each for each in options if each.get("destination_id") == destination_id), None)
    if chosen is None:
        return f"Destination {destination_id} was chosen{through}."
    total = sum(each.get("weight", 1) for each in options if each.get("active", True))
    name = f" ({chosen['name']})" if chosen.get("name") else ""
    share = f"weight {chosen.get('weight', 1)} of {total}"
    return f"Destination {destination_id}{name} was chosen{through}, {way}: {share}."


def _title(number: int, rule: Mapping[str, Any]) -> str:
    return f"Rule {number + 1} ({rule['name']})" if rule.get("name") else f"Rule {number + 1}"


def _fact(condition: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    field = condition["field"]
    if field == "time":
        return "it was another time"
    if field == "bot":
        return "that was not so"
    if field == "visitor" and "returning" in facts:
        return f"the visitor was {'returning' if facts['returning'] else 'new'}"
    name = f"parameter {condition['name']}" if field == "parameter" else _NAMES.get(field, field)
    value = facts.get(f"parameter {condition['name']}" if field == "parameter" else field)
    return f"{name} was {str(value)[:100]!r}" if value not in (None, "", 0) else f"{name} was not known"


def _time_in_words(condition: Mapping[str, Any]) -> str:
    days = _listed([_DAYS[day - 1] for day in condition.get("weekdays", [])])
    hours = _listed([f"{first}:00 to {end}:00" for first, end in condition.get("hours", [])])
    zone = f" ({condition['time_zone']})" if condition.get("time_zone") else ""
    said = " from ".join(filter(None, (days, hours))) or "any time"
    return f"the time is {'not ' if condition.get('negate') else ''}{said}{zone}"


def _listed(values: Sequence[Any]) -> str:
    shown = [str(value) for value in values[:_VALUES_SHOWN]]
    more = [f"{len(values) - _VALUES_SHOWN} more"] if len(values) > _VALUES_SHOWN else []
    return " or ".join([*shown, *more])
