"""Checks what one row says about a link, in the same way as a single edit is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from admin_api.bulk_links.faults import Fault, Severity, error_of
from admin_api.bulk_links.file_rows import FileRow
from admin_api.bulk_links.import_settings import REFERENCES, RowDefaults
from admin_api.bulk_links.references import References
from admin_api.configuration import LINKS
from admin_api.http import ID_MAX, InvalidFieldsError, decode_values
from tracking.runtime import FieldError


class Stated(NamedTuple):
    """What a row says about a link, checked: the link's number and values of fields. `faults` are all of its faults."""

    number: int
    link_id: int | None
    values: dict[str, Any]
    faults: list[Fault]

    @property
    def is_good(self) -> bool:
        """Whether it can be imported as far as the row alone tells."""
        return not any(fault.severity is Severity.ERROR for fault in self.faults)


def stated_by(row: FileRow, references: References) -> Stated:
    """Return what a row says. The references must be loaded."""
    given = dict(row.values)
    faults = list(row.faults)
    link_id = given.pop("link_id", None)
    if link_id is not None and not (type(link_id) is int and 1 <= link_id <= ID_MAX):
        faults.append(error_of(row.number, "link_id", link_id, "invalid-field", "link_id must be the number of a link"))
        link_id = None
    for kind in REFERENCES:
        try:
            _resolve(given, kind, references)
        except FieldError as error:
            value = row.values.get(error.field or kind)
            faults.append(error_of(row.number, error.field or kind, value, error.code, error.message))
            given.pop(f"{kind}_id", None)
    for name in LINKS.generated:
        if given.get(name, "") is None:
            del given[name]
    try:
        values = decode_values(given, LINKS.changes).changes()
    except InvalidFieldsError as error:
        faults += [_fault(row.number, each, given) for each in error.errors]
        values = {}
    return Stated(row.number, link_id, values, faults)


def with_defaults(values: Mapping[str, Any], defaults: RowDefaults) -> dict[str, Any]:
    """Return all values of a new link. Raises FieldError if a value is missing that has no default."""
    made = {**_DEFAULTS, **values}
    for kind in REFERENCES:
        name = f"{kind}_id"
        if made.get(name) is None:
            made[name] = getattr(defaults, name)
    if "active" not in values:
        made["active"] = defaults.active
    if defaults.tags:
        made["tags"] = sorted({*made["tags"], *defaults.tags})
    for name, field in LINKS.fields.model_fields.items():
        if field.is_required() and made.get(field.alias or name) is None:
            known = f" or defaults.{name}" if name in type(defaults).model_fields else ""
            raise FieldError(
                name, f"{name} is required for a new link; fill in the column{known}", code="missing-field"
            )
    return made


def _resolve(given: dict[str, Any], kind: str, references: References) -> None:
    field = f"{kind}_id"
    if kind in given:
        name = given.pop(kind)
        if not isinstance(name, str | None):
            raise FieldError(kind, f"{kind} must be text in double quotes")
        given[field] = None if name is None else references.number(kind, name)
    number = given.get(field)
    if type(number) is int and 1 <= number <= ID_MAX:
        references.require(kind, number)


def _fault(row: int, error: FieldError, given: Mapping[str, Any]) -> Fault:
    field = error.field or ""
    return error_of(row, field, given.get(field.partition(".")[0].partition("[")[0]), error.code, error.message)


_DEFAULTS = {
    field.alias or name: None if field.is_required() else field.get_default(call_default_factory=True)
    for name, field in LINKS.fields.model_fields.items()
}
