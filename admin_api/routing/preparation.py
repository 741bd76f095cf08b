"""What the API does with rules before they are stored: checks them, gives numbers, finds their rotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from admin_api.http import InvalidFieldsError
from admin_api.routing.coherence import rule_faults
from admin_api.routing.document import RotationDestinationFields, RoutingFields, complete
from admin_api.routing.identity import Known, check_numbers, numbered, numbers_of, with_numbers
from admin_api.routing.loops import rotation_uses
from admin_api.runtime import Database, Row
from tracking.runtime import FieldError

_LINK_VERSIONS: LiteralString = "select fields -> 'routing' as document from link_versions where link_id = %s"
_ROTATION_VERSIONS: LiteralString = (
    "select jsonb_build_object('destinations', fields -> 'destinations') as document"
    " from rotation_versions where rotation_id = %s"
)


def prepared_routing(
    database: Database, routing: Mapping[str, Any] | None, before: Row | None
) -> dict[str, Any] | None:
    """Return a link's rules as they are stored. `before` is the link as it is, or None for a new one.

    Raises FieldError or InvalidFieldsError with the path of each field at fault.
    """
    if routing is None:
        return None
    document = _coherent(database, routing)
    known: Known = ()
    if before is not None:
        present = [before["routing"]] if before["routing"] else []
        known = _known(database, document, present, _LINK_VERSIONS, before["link_id"])
    return with_numbers(database, document, known, "routing.")


def drafted_routing(database: Database, routing: Mapping[str, Any] | None, link: Row) -> dict[str, Any] | None:
    """Return a draft of a link's rules as it would be stored, without new numbers.

    Raises what `prepared_routing` does.
    """
    if routing is None:
        return None
    document = _coherent(database, routing)
    known = _known(database, document, [link["routing"]] if link["routing"] else [], _LINK_VERSIONS, link["link_id"])
    return check_numbers(document, known, "routing.")


def prepared_rotation(
    database: Database, destinations: Sequence[Mapping[str, Any]], before: Row | None
) -> list[dict[str, Any]]:
    """Return a rotation's destinations as they are stored. `before` is the rotation as it is, or None for a new one.

    Raises FieldError or InvalidFieldsError with the path of each field at fault.
    """
    document = {"destinations": [complete(each, RotationDestinationFields) for each in destinations]}
    known: Known = ()
    if before is not None:
        present = [{"destinations": before["destinations"]}]
        known = _known(database, document, present, _ROTATION_VERSIONS, before["rotation_id"])
    made: list[dict[str, Any]] = with_numbers(database, document, known)["destinations"]
    return made


def _coherent(database: Database, routing: Mapping[str, Any]) -> dict[str, Any]:
    """Return a complete rule document, or raise InvalidFieldsError: it must fit together, and its rotations exist."""
    document = complete(routing, RoutingFields)
    faults = list(rule_faults(document, "routing."))
    if faults:
        raise InvalidFieldsError(faults)
    _require_rotations(database, document)
    return document


def _known(
    database: Database,
    document: Mapping[str, Any],
    present: Sequence[Mapping[str, Any]],
    versions: LiteralString,
    owner: int,
) -> Known:
    """Return the numbers that an owner has, or ever had if the document uses others."""
    known = numbers_of(present)
    if all(
        each.entry.get(each.name) is None or (each.name, each.entry[each.name]) in known for each in numbered(document)
    ):
        return known
    rows = database.execute(versions, [owner])
    return known | numbers_of([row["document"] for row in rows if row["document"]])


def _require_rotations(database: Database, document: Mapping[str, Any]) -> None:
    uses = list(rotation_uses(document))
    if not uses:
        return
    rows = database.execute(
        "select rotation_id from rotations where rotation_id = any(%s)", [[rotation_id for _, rotation_id in uses]]
    )
    there = {row["rotation_id"] for row in rows}
    missing = [
        FieldError(field, f"{field} names a rotation that does not exist; create it at /v1/rotations")
        for field, rotation_id in uses
        if rotation_id not in there
    ]
    if missing:
        raise InvalidFieldsError(missing)
