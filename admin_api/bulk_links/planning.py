"""Decides what an import does with each row: a new link, a change of one, or nothing. It writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from admin_api.bulk_links.checks import Stated, stated_by, with_defaults
from admin_api.bulk_links.drafts import Draft
from admin_api.bulk_links.faults import Fault, Severity, error_of
from admin_api.bulk_links.file_rows import FileRow
from admin_api.bulk_links.import_settings import LINK_FIELDS, ImportSettings, Mode
from admin_api.bulk_links.places import Places
from admin_api.bulk_links.references import References
from admin_api.bulk_links.stored_links import Place, load_by_id, load_by_place
from admin_api.configuration import LINKS
from admin_api.http import InvalidFieldsError
from admin_api.routing import without_numbers
from admin_api.runtime import Database, Row
from tracking.runtime import FieldError

ROWS_AT_ONCE = 2000
# More faults than this help nobody; the rows after them are not looked at.
FAULTS_MAX = 100_000


class Plan:
    """What an import does, chunk by chunk, with the faults of all rows and the state that they were decided on."""

    def __init__(self, database: Database, settings: ImportSettings, *, lock: bool) -> None:
        self.references = References(database, settings.merchants)
        self.rows = self.created = self.updated = self.unchanged = 0
        self.faults: list[Fault] = []
        # What the token stands for: a line for each row.
        self.lines: list[bytes] = []
        self._database = database
        self._settings = settings
        self._lock = lock
        self._places = Places(database)
        # The row of the file that names a link.
        self._named: dict[int, int] = {}

    @property
    def errors(self) -> int:
        """How many faults keep the file from being imported."""
        return sum(fault.severity is Severity.ERROR for fault in self.faults)

    def drafts(self, rows: Iterable[FileRow]) -> Iterator[list[Draft]]:
        """Yield the links to create or change. What is wrong is added to the faults."""
        rows = iter(rows)
        while len(self.faults) < FAULTS_MAX and (part := list(islice(rows, ROWS_AT_ONCE))):
            self.rows += len(part)
            self.references.load([{**self._settings.defaults.model_dump(), **row.values} for row in part])
            stated = [stated_by(row, self.references) for row in part]
            found = self._found(stated)
            drafts = [draft for each in stated if (draft := self._draft(each, found)) is not None]
            yield self._placed(drafts)

    def _found(self, stated: Sequence[Stated]) -> Mapping[Any, Row]:
        """Return the links that rows name, by what names them."""
        if self._settings.key == "link_id":
            return load_by_id(self._database, {each.link_id for each in stated if each.link_id}, lock=self._lock)
        places = {place for each in stated if (place := self._place_of(each)) is not None}
        return load_by_place(self._database, places, lock=self._lock)

    def _place_of(self, stated: Stated) -> Place | None:
        if not stated.values.get("slug"):
            return None
        return stated.values.get("profile_id") or self._settings.defaults.profile_id, stated.values["slug"]

    def _draft(self, stated: Stated, found: Mapping[Any, Row]) -> Draft | None:
        """Return what becomes of a row, or None for no change. Adds the row's faults."""
        self.faults += stated.faults
        if not stated.is_good:
            return None
        try:
            before = self._before(stated, found)
            draft = self._new(stated) if before is None else self._change(stated, before)
            self.references.require_raw(draft.values)
        except InvalidFieldsError as error:
            self.faults += [_fault(stated, each) for each in error.errors]
        except FieldError as error:
            self.faults.append(_fault(stated, error))
        else:
            state = None if before is None else [before["link_id"], before["revision"]]
            self.lines.append(orjson.dumps([stated.number, state, stated.values]))
            if before is None or any(draft.values[name] != before[name] for name in LINK_FIELDS):
                return draft
            self.unchanged += 1
        return None

    def _before(self, stated: Stated, found: Mapping[Any, Row]) -> Row | None:
        """Return the link that a row names, or None for a new one. Raises FieldError."""
        key, mode = self._settings.key, self._settings.mode
        name = stated.link_id if key == "link_id" else self._place_of(stated)
        before = None if name is None else found.get(name)
        if before is None and key == "link_id" and name is not None:
            raise FieldError(
                "link_id", f"there is no link {name}; leave link_id empty for a new link", code="not-found"
            )
        if before is None and mode == Mode.UPDATE:
            said = "name the link by its profile and slug" if name is None else "there is no such link to update"
            raise FieldError(key, said, code="missing-field" if name is None else "not-found")
        if before is not None and mode == Mode.CREATE:
            said = f"link {before['link_id']} has this slug already; use mode update or upsert to change it"
            raise FieldError(key, said, code="slug-taken")
        if before is not None:
            first = self._named.setdefault(before["link_id"], stated.number)
            if first != stated.number:
                raise FieldError(key, f"row {first} names the same link; keep one of them", code="duplicate")
        return before

    def _new(self, stated: Stated) -> Draft:
        values = with_defaults(stated.values, self._settings.defaults)
        for kind in ("profile", "merchant", "source", "plan"):
            self.references.require(kind, values[f"{kind}_id"])
        if values["routing"] is not None:
            values["routing"] = without_numbers(values["routing"])
            values = LINKS.prepare(self._database, values, None)
        return Draft(stated.number, values, None)

    def _change(self, stated: Stated, before: Row) -> Draft:
        # The link was found by its profile and slug, so it keeps them.
        kept = ("profile_id", "slug") if self._settings.key == "slug" else ()
        named = {name: value for name, value in stated.values.items() if name not in kept}
        changes = LINKS.prepare(self._database, named, before)
        if self._settings.format == "csv":
            # A cell cannot tell empty text from none.
            changes = {name: value for name, value in changes.items() if value not in (None, "") or before[name]}
        return Draft(stated.number, {name: changes.get(name, before[name]) for name in LINK_FIELDS}, before)

    def _placed(self, drafts: list[Draft]) -> list[Draft]:
        """Return the drafts whose places are free, each with a slug and a name."""
        free = []
        for draft, error in self._places.claimed(drafts):
            if error is not None:
                self.faults.append(error_of(draft.number, "slug", draft.values["slug"], error.code, error.message))
                continue
            self.created += draft.before is None
            self.updated += draft.before is not None
            free.append(draft)
        return free


def _fault(stated: Stated, error: FieldError) -> Fault:
    field = error.field or ""
    value = stated.link_id if field == "link_id" else stated.values.get(field.partition(".")[0])
    return error_of(stated.number, field, value, error.code, error.message)
