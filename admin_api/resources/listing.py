"""How the lists of configured objects are filtered and sorted: what all kinds have in common."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, LiteralString

from pydantic import Field, create_model

from admin_api.http import Chosen, Column, Condition, Filter, SearchText

Archived = Literal["false", "true", "any"]


class ArchivedFilter(Filter):
    """Filters of objects that can be archived. Archived ones are found only when they are asked for."""

    def chosen(self, **usual: Any) -> Chosen:
        """Return the conditions and values, without what is archived unless `archived` says otherwise."""
        return super().chosen(**{"archived": "false"} | usual)


def archived_condition(table: LiteralString) -> Condition:
    """Return what the filter `archived` stands for."""
    return Condition(f"(%(archived)s = 'any' or ({table}.archived_at is not null) = (%(archived)s = 'true'))")


# Cached, since a class takes 5 ms to make.
@cache
def list_filters(table: LiteralString, own: type[Filter], *, named: bool, archivable: bool) -> type[Filter]:
    """Return the filters of a list: its own ones, and those that all objects with names or an archive have."""
    found = Condition(f"strpos(lower({table}.name), lower(%(q)s)) > 0")
    common: dict[str, Any] = {}
    if named:
        text = "The name contains this text, in capitals or small letters."
        common["q"] = (Annotated[SearchText | None, found], Field(default=None, description=text))
    if archivable:
        text = "Whether to show what is archived: `true` for only that, `any` for everything."
        common["archived"] = (Annotated[Archived, archived_condition(table)], Field(default="false", description=text))
    declared = {name: field for name, field in common.items() if name not in own.model_fields}
    # The methods of ArchivedFilter come before those of Filter, whatever the list's own filters inherit from.
    bases = (ArchivedFilter,) if own is Filter else (own, ArchivedFilter)
    base = bases if archivable and not issubclass(own, ArchivedFilter) else (own,)
    made: type[Filter] = create_model(own.__name__, __base__=base, **declared)
    return made


def list_columns(table: LiteralString, number: LiteralString, names: Sequence[LiteralString]) -> dict[str, Column]:
    """Return the columns by which a list can be sorted: the number, and those with these names."""
    kinds: dict[str, Column] = {number: Column(f"{table}.{number}", int)}
    return kinds | {name: Column(f"{table}.{name}", datetime if name.endswith("_at") else str) for name in names}
