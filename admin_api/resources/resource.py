"""What all configured objects have in common, as data: fields, SQL, published keys and the conflicts to expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, LiteralString, NamedTuple

from pydantic import Field

from admin_api.http import Body, Filter, Shown, Values, changes_of, shown_of
from admin_api.resources.addresses import Addresses
from admin_api.runtime import Database, Row
from tracking.runtime import WaypostError

# Identifies an object in its path and in the database: a number, or a word.
Key = Any


class Created(NamedTuple):
    """The key of a new object, and the values that are shown only once."""

    object_id: Key
    shown_once: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of configured object.

    `fields` are what a client may set. `select` yields its rows and has no condition. `create` inserts a valid object
    inside the caller's transaction. `conflicts` turns a violated constraint into the error to raise, and
    `conflict_codes` are the codes of these errors. `in_use` says what to do when a deletion is refused.
    """

    singular: str
    # The table's name.
    plural: LiteralString
    id_name: LiteralString
    description: str
    fields: type[Body]
    select: LiteralString
    create: Callable[[Database, Values, Addresses], Created]
    in_use: str
    conflicts: Mapping[str, Callable[[], WaypostError]] = field(default_factory=dict)
    conflict_codes: tuple[str, ...] = ()
    # The class of a new object, where it has more than the fields.
    new_fields: type[Body] | None = None
    # Turns the client's values into values of columns, inside the caller's transaction. It gets the row as it is, or
    # None for a new one, and may raise FieldError.
    prepare: Callable[[Database, Values, Row | None], Values] = lambda database, values, before: values
    # Checks what was just saved, among everything else that is stored. May raise FieldError or ConflictError.
    check: Callable[[Database, Row], None] = lambda database, row: None
    # The filters of its list. Their conditions name columns of `select`.
    filters: type[Filter] = Filter
    # The name in URLs, where it is not the table's name.
    path: str | None = None
    # The keys of config.configuration.published that show this row at the edge.
    keys: Callable[[Row], list[str]] = lambda row: []
    # What the JSON shows besides the id, the fields and the times, or shows in another form than the client sets it:
    # types by name, and the values that are not columns.
    shown_types: Mapping[str, Any] = field(default_factory=dict)
    extras: Callable[[Row, Addresses], Mapping[str, Any]] = lambda row, addresses: {}
    # What only the answer to the creation shows: types by name.
    once_types: Mapping[str, Any] = field(default_factory=dict)
    # Fields that are generated where a new object leaves them out or gives null. A change may not make them null.
    generated: tuple[str, ...] = ()
    # The columns that its list can be sorted by, beside its number. Those that end in _at are moments, the others text.
    sorts: tuple[LiteralString, ...] = ("name", "created_at", "updated_at")
    # Whether it can be archived: its table has the column archived_at. `refuse_archive` raises ConflictError with the
    # code `in-use` while something in use needs it. The row is locked, so that nothing can begin to name it.
    archivable: bool = False
    refuse_archive: Callable[[Database, Row], None] = lambda database, row: None
    # Whether links show it at the edge, so that changing it changes all of its links.
    shown_by_links: bool = False
    # Whether something still needs it that no foreign key knows about.
    is_needed: Callable[[Database, Key], bool] = lambda database, object_id: False

    @property
    def collection_path(self) -> str:
        """The path of the collection."""
        return f"/v1/{self.path or self.plural}"

    @property
    def item_path(self) -> str:
        """The path of one object, with its parameter."""
        return f"{self.collection_path}/{{{self.id_name}}}"

    @property
    def one(self) -> str:
        """Its kind with an article, as in sentences."""
        return f"{'an' if self.singular[0] in 'aeiou' else 'a'} {self.singular}"

    @property
    def new(self) -> type[Body]:
        """The class of a new object, as a client sends it."""
        return self.new_fields or self.fields

    @cached_property
    def changes(self) -> type[Body]:
        """The class of a change, as a client sends it."""
        return changes_of(self.new, self.generated)

    @cached_property
    def shown(self) -> type[Shown]:
        """The class that shows an object."""
        return self._shown_class("", {})

    @cached_property
    def created(self) -> type[Shown]:
        """The class that shows an object that was just created."""
        return self._shown_class("Created", self.once_types) if self.once_types else self.shown

    def show(self, row: Row, addresses: Addresses) -> Shown:
        """Return the object that shows a row."""
        return self.shown.of(row, **self.extras(row, addresses))

    def show_created(self, row: Row, addresses: Addresses, once: Mapping[str, Any]) -> Shown:
        """Return the object that shows a new row, with the values that are shown only once."""
        return self.created.of(row, **self.extras(row, addresses), **once)

    def _shown_class(self, prefix: str, more: Mapping[str, Any]) -> type[Shown]:
        name = prefix + "".join(word.capitalize() for word in self.singular.split())
        times: dict[str, Any] = {"created_at": datetime, "updated_at": datetime}
        if self.archivable:
            text = "When it was archived. Null while it is in use."
            times["archived_at"] = Annotated[datetime | None, Field(description=text)]
        return shown_of(name, self.fields, {self.id_name: int}, {**self.shown_types, **times, **more}, self.description)
