"""Which field of a link each column of a file is, or each name of a JSON object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from admin_api.bulk_links.import_settings import FIELDS, REFERENCES, ImportSettings, Layout
from admin_api.bulk_links.layouts import NOTED, TRACKERS, Columns, heading_key
from admin_api.http import InvalidFieldsError
from tracking.runtime import FieldError

# What an export has besides fields. It is not read back.
READ_ONLY = ("url", "domain", "revision", "created_at", "updated_at")
WAYPOST = Columns("Waypost", {name: name for name in FIELDS})
_SHOWN_CHARACTERS = 40


class Column(NamedTuple):
    """What is done with a column: it is a field, or `left_out` says why its values cannot be imported, or neither."""

    heading: str
    field: str | None
    left_out: str | None = None


class Headings:
    """The meaning of headings by some settings."""

    def __init__(self, settings: ImportSettings) -> None:
        self.columns: Columns = TRACKERS.get(Layout(settings.layout), WAYPOST)
        self._own: Mapping[str, str] = {heading_key(heading): name for name, heading in settings.columns.items()}
        self._ignored = {heading_key(heading) for heading in settings.ignore}
        self._reads_its_own = settings.layout == Layout.WAYPOST

    @cached_property
    def expected(self) -> str:
        """The headings to expect, for a person."""
        return ", ".join(dict.fromkeys([*self._own, *self.columns.fields]))

    def column(self, heading: str) -> Column | None:
        """Return what a column is, or None for a heading that is not known."""
        key = heading_key(heading)
        if key in self._own:
            return Column(heading, self._own[key])
        if key in self._ignored or (self._reads_its_own and key in READ_ONLY):
            return Column(heading, None)
        field = self.columns.fields.get(key)
        # A field that the settings read from another column is not read twice.
        if field is not None and (field == NOTED or field not in self._own.values()):
            return Column(heading, field)
        if key in self.columns.left_out:
            return Column(heading, None, self.columns.left_out[key])
        return Column(heading, None) if field is not None else None

    def known(self, headings: Iterable[str]) -> int:
        """Return how many headings are known."""
        return sum(self.column(heading) is not None for heading in headings)

    def header(self, headings: list[str]) -> list[Column]:
        """Return what each column is. Raises InvalidFieldsError for headings that are not known or occur twice."""
        columns: list[Column] = []
        errors: list[FieldError] = []
        seen: dict[str, str] = {}
        for heading in headings:
            column = self.column(heading)
            shown = heading[:_SHOWN_CHARACTERS]
            if column is None:
                errors.append(
                    FieldError(
                        "columns",
                        f"the heading {shown!r} is not known; name it in `columns`, or in `ignore` if it is not to be"
                        f" read. Known are {self.expected}",
                        code="unknown-heading",
                    )
                )
                continue
            columns.append(column)
            if column.field is not None and column.field in seen:
                errors.append(
                    FieldError("columns", f"the headings {seen[column.field]!r} and {shown!r} both mean {column.field}")
                )
            elif column.field is not None:
                seen[column.field] = shown
        errors += _twice_named(seen)
        if errors:
            raise InvalidFieldsError(errors)
        return columns


def _twice_named(fields: Iterable[str]) -> list[FieldError]:
    """Return errors for references that are given by name and by number."""
    return [
        FieldError("columns", f"the file has both {name} and {name}_id; name one of them in `ignore`")
        for name in REFERENCES
        if name in fields and f"{name}_id" in fields
    ]
