"""Why a click went where it went, in words: its recorded outcome, beside the rules of the revision that decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, LiteralString

from admin_api.http import Shown
from admin_api.runtime import Database, Row
from tracking.clicks import SUB_NAMES
from tracking.routing import RoutingOutcome, explain

_VERSION: LiteralString = """
    select revision, changed_at, changed_by, fields -> 'routing' as routing from link_versions
    where link_id = %s and revision = %s
"""
_VERSION_AT: LiteralString = """
    select revision, changed_at, changed_by, fields -> 'routing' as routing from link_versions
    where link_id = %s and changed_at <= %s order by revision desc limit 1
"""
_ROTATION: LiteralString = "select fields from rotation_versions where rotation_id = %s and revision = %s"
_NO_RULES = "The link has no rules, so the click went to the link's own destination."
_NOT_RECORDED = (
    "The click has no outcome of rules: the link's rules had not reached the edge, or the edge was of a release without"
    " rules."
)
# Facts that are stored of a click, by the field of a condition.
_KNOWN = ("country", "region", "city", "isp", "asn", "connection", "device", "os", "browser", "language", "class")


class RoutingDecision(Shown):
    """What the link's rules decided about a click, and why."""

    link_revision: int | None
    """The revision of the link that decided. Null if no rules decided and none of its versions is that old."""
    link_changed_at: datetime | None
    """When the link became what it was at this revision. Null if the version is not kept."""
    link_changed_by: str | None
    """The name of the API token that made it so."""
    rule_id: int | None
    """The rule that decided. Null if none did."""
    rule_name: str | None
    """The name of the rule at that revision."""
    destination_id: int | None
    """The destination that was chosen. Null for the link's own, the country table, overflow and fallback."""
    destination_name: str | None
    """The name of the destination at that revision."""
    rotation_id: int | None
    """The rotation that chose the destination."""
    rotation_revision: int | None
    how: str | None
    """`country`, `overflow`, `fallback` or `broken` if the destination is not that of a rule. Otherwise null."""
    facts: dict[str, Any]
    """What the edge looked up to decide, and could not be told from the request alone."""
    words: list[str]
    """The decision, in sentences: each rule that was passed over with its reason, and what decided."""


def load_decision(database: Database, click: Row) -> RoutingDecision:
    """Return the decision about a click, whose row has the columns that are shown of clicks."""
    if click["routing"] is None:
        return _without_rules(database, click)
    outcome = RoutingOutcome(*click["routing"])
    version = database.execute(_VERSION, [click["link_id"], outcome.revision]).fetchone()
    kept: Row = version or dict.fromkeys(("changed_at", "changed_by", "routing"))
    rotation_id, rotation_revision = outcome.facts.get("rotation") or (None, None)
    rotations = _rotations(database, rotation_id, rotation_revision)
    entries = [*_entries(kept["routing"]), *(each for fields in rotations.values() for each in fields["destinations"])]
    return RoutingDecision(
        link_revision=outcome.revision,
        link_changed_at=kept["changed_at"],
        link_changed_by=kept["changed_by"],
        rule_id=outcome.rule_id,
        rule_name=_name(entries, "rule_id", outcome.rule_id),
        destination_id=outcome.destination_id,
        destination_name=_name(entries, "destination_id", outcome.destination_id),
        rotation_id=rotation_id,
        rotation_revision=rotation_revision,
        how=outcome.how,
        facts=outcome.facts,
        words=explain(outcome, kept["routing"], dict(_known(click)), rotations),
    )


def _without_rules(database: Database, click: Row) -> RoutingDecision:
    """Return the decision about a click that no rules decided."""
    version = database.execute(_VERSION_AT, [click["link_id"], click["clicked_at"]]).fetchone()
    has_rules = version is not None and version["routing"] is not None
    nothing = dict.fromkeys(name for name in RoutingDecision.model_fields if name not in ("facts", "words"))
    if version is not None:
        nothing |= {f"link_{name}": version[name] for name in ("revision", "changed_at", "changed_by")}
    return RoutingDecision.of(nothing, facts={}, words=[_NOT_RECORDED if has_rules else _NO_RULES])


def _rotations(database: Database, rotation_id: int | None, revision: int | None) -> dict[int, Any]:
    if rotation_id is None:
        return {}
    row = database.execute(_ROTATION, [rotation_id, revision]).fetchone()
    return {} if row is None else {rotation_id: row["fields"]}


def _entries(document: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    for rule in (document or {}).get("rules", ()):
        yield rule
        yield from rule["destinations"]


def _name(entries: list[Mapping[str, Any]], key: str, number: int | None) -> str | None:
    found = (each.get("name") for each in entries if number is not None and each.get(key) == number)
    return next(found, None)


def _known(click: Row) -> Iterator[tuple[str, Any]]:
    """Yield what is stored of a click, by the field of a condition."""
    yield from ((name, click[name]) for name in (*_KNOWN, *SUB_NAMES))
    yield "referrer", click["referrer_host"]
    yield from ((f"parameter {name}", value) for name, value in click["parameters"].items())
