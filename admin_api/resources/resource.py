"""What configured objects have in common, as data: fields, SQL, published keys and the conflicts to expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, LiteralString, NamedTuple

from admin_api.http import Body, Shown, Values, changes_of, shown_of
from admin_api.resources.addresses import Addresses
from admin_api.runtime import Database, Row
from tracking.runtime import WaypostError

# What names an object in its path and in the database: a number, or a word.
Key = Any


class Created(NamedTuple):
    """A new object, and what is shown of it this once."""

    object_id: Key
    shown_once: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of configured object.

    `fields` are what a client may set. `select` yields its rows without a condition. `create` inserts a valid object
    inside the caller's transaction. `conflicts` turns a violated constraint into the error to raise; `conflict_codes`
    are their codes. `in_use` says how to mend a refused deletion.
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
    # What a new object may be made of, where that is more than its fields.
    new_fields: type[Body] | None = None
    # Turns what a client sent into values of columns, inside the caller's transaction. May raise FieldError.
    prepare: Callable[[Database, Values], Values] = lambda database, values: values
    # Its name in URLs, where that is not the table's.
    path: str | None = None
    # The keys of config.configuration.published that show this row at the edge.
    keys: Callable[[Row], list[str]] = lambda row: []
    # What its JSON shows beside the id, the fields and the times, or shows otherwise than it is set: types by name, and
    # the values that are no columns.
    shown_types: Mapping[str, Any] = field(default_factory=dict)
    extras: Callable[[Row, Addresses], Mapping[str, Any]] = lambda row, addresses: {}
    # What the answer to its creation has in addition: types by name.
    once_types: Mapping[str, Any] = field(default_factory=dict)
    # Fields that are made up where a new object leaves them out or says null, and that a change may not make null.
    generated: tuple[str, ...] = ()
    # Whether links show it at the edge, so that a change of it is one of all its links.
    shown_by_links: bool = False
    # Whether something that no foreign key knows of still needs it.
    is_needed: Callable[[Database, Key], bool] = lambda database, object_id: False

    @property
    def collection_path(self) -> str:
        """The path of all of them."""
        return f"/v1/{self.path or self.plural}"

    @property
    def item_path(self) -> str:
        """The path of one of them, with its parameter."""
        return f"{self.collection_path}/{{{self.id_name}}}"

    @property
    def new(self) -> type[Body]:
        """The class of a new object as a client sends it."""
        return self.new_fields or self.fields

    @cached_property
    def changes(self) -> type[Body]:
        """The class of a change."""
        return changes_of(self.new, self.generated)

    @cached_property
    def shown(self) -> type[Shown]:
        """The class that shows one."""
        return self._shown_class("", {})

    @cached_property
    def created(self) -> type[Shown]:
        """The class that shows a new one."""
        return self._shown_class("Created", self.once_types) if self.once_types else self.shown

    def show(self, row: Row, addresses: Addresses) -> Shown:
        """Return the object of a row."""
        return self.shown.of(row, **self.extras(row, addresses))

    def show_created(self, row: Row, addresses: Addresses, once: Mapping[str, Any]) -> Shown:
        """Return the object of a new row, with what is shown this once."""
        return self.created.of(row, **self.extras(row, addresses), **once)

    def _shown_class(self, prefix: str, more: Mapping[str, Any]) -> type[Shown]:
        name = prefix + "".join(word.capitalize() for word in self.singular.split())
        times = {"created_at": datetime, "updated_at": datetime}
        return shown_of(name, self.fields, {self.id_name: int}, {**self.shown_types, **times, **more}, self.description)
