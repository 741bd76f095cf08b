"""A link as an import or a bulk edit wants it, before it is saved."""

from __future__ import annotations

from typing import Any, NamedTuple

from admin_api.bulk_links.stored_links import Place
from admin_api.runtime import Row


class Draft(NamedTuple):
    """A link as it is wanted: all of its values by column. `number` is its row in the file, or its own number.

    `before` is the link as it is, or None for a new one.
    """

    number: int
    values: dict[str, Any]
    before: Row | None

    @property
    def place(self) -> Place:
        """Where it answers."""
        return self.values["profile_id"], self.values["slug"]
