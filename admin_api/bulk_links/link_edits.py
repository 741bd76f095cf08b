"""Changes every link that a filter finds in the same way, as the preview showed it, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from psycopg import sql

from admin_api.bulk_links.drafts import Draft
from admin_api.bulk_links.edit_objects import EDITABLE, BulkEdit, LinkEdit
from admin_api.bulk_links.faults import Fault, error_of
from admin_api.bulk_links.import_settings import LINK_FIELDS, REFERENCES
from admin_api.bulk_links.places import Places
from admin_api.bulk_links.references import References
from admin_api.bulk_links.saving import Staging, alone
from admin_api.configuration import LINKS, LinkFilter
from admin_api.http import InvalidFieldsError, decode_values, preview_token, require_preview
from admin_api.runtime import Actor, Database, Row, attributed
from tracking.runtime import FieldError

LINKS_MAX = 100_000
ROWS_AT_ONCE = 2000
EXAMPLES_MAX = 20


class Example(NamedTuple):
    """One value that changes."""

    link_id: int
    field: str
    before: Any
    after: Any


class Edited:
    """What a change comes to: how many links were found, what becomes of them, and what is wrong."""

    def __init__(self) -> None:
        self.count = self.unchanged = self.changed = 0
        self.faults: list[Fault] = []
        self.examples: list[Example] = []
        self.token: str | None = None


def edit_links(database: Database, edit: BulkEdit, actor: Actor) -> Edited:
    """Preview a change or, with the token of its preview, make it. Nothing is written while a link has an error.

    Raises FieldError, and ConflictError if the preview is outdated or another change of many links runs.
    """
    _require_change(edit.change)
    previewing = edit.token is None
    with attributed(database, actor), alone(database, previewing=previewing):
        edited = Edited()
        staging = Staging(database)
        editor = _Editor(database, edit.change, edited)
        lines = [edit.change.model_dump_json(by_alias=True, exclude_unset=True)]
        for rows in links_found(database, edit.filter, lock=not previewing):
            edited.count += len(rows)
            lines += [f"{row['link_id']}|{row['revision']}" for row in rows]
            staging.add(editor.drafts(rows))
        token = preview_token(lines)
        if edit.token is not None:
            require_preview(edit.token, "" if edited.faults else token, f"the filter now finds {edited.count}")
        if not edited.faults and (not previewing or staging.looping):
            staging.save()
            edited.faults += [
                error_of(number, error.field or "", "", error.code, error.message) for number, error in staging.loops()
            ]
            if not previewing:
                require_preview(edit.token or "", "" if edited.faults else token, "a link leads back to itself")
        edited.token = None if edited.faults else token
    return edited


def links_found(database: Database, wanted: LinkFilter, *more: sql.Composable, lock: bool) -> Iterator[list[Row]]:
    """Yield the links of a filter, many at a time, in the order of their numbers. Raises FieldError for too many."""
    chosen = wanted.chosen()
    query = sql.SQL("select links.* from links {} order by links.link_id limit {} {}").format(
        # What is archived stays as it is.
        chosen.where(sql.SQL("links.archived_at is null and links.link_id > %(after)s"), *more),
        sql.Literal(ROWS_AT_ONCE),
        sql.SQL("for update" if lock else ""),
    )
    after, count = 0, 0
    while True:
        rows = database.execute(query, {**chosen.values, "after": after}, prepare=False).fetchall()
        count += len(rows)
        if count > LINKS_MAX:
            raise FieldError(
                "filter", f"filter finds more than {LINKS_MAX} links; narrow it, for example by from and to"
            )
        if rows:
            yield rows
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1]["link_id"]


def _require_change(change: LinkEdit) -> None:
    if not change.changes():
        raise FieldError("change", "change says nothing to change", code="missing-field")
    if change.replace is not None and "destination_url" in change.model_fields_set:
        raise FieldError("change.replace", "give either replace or destination_url, not both")


class _Editor:
    """Applies a change to links, one by one, and notes what it comes to."""

    def __init__(self, database: Database, change: LinkEdit, edited: Edited) -> None:
        self._change = change
        self._edited = edited
        stated = change.changes()
        self._set = {name: value for name, value in stated.items() if name in EDITABLE}
        self._places = Places(database)
        self._references = References(database, {})
        self._references.load([self._set])
        for kind in REFERENCES:
            self._references.require(kind, self._set.get(f"{kind}_id"))

    def drafts(self, rows: list[Row]) -> list[Draft]:
        """Return the links that change."""
        self._references.load(rows)
        drafts = [draft for row in rows if (draft := self._draft(row)) is not None]
        good = []
        for draft, error in self._places.claimed(drafts):
            if error is not None:
                self._fault(draft.number, error, draft.values["slug"])
                continue
            good.append(draft)
            self._note(draft)
        return good

    def _draft(self, row: Row) -> Draft | None:
        values = {name: row[name] for name in LINK_FIELDS} | self._set
        tags = ({*row["tags"], *self._change.add_tags}) - set(self._change.remove_tags)
        values["tags"] = sorted(tags)
        if self._change.replace is not None:
            replace = self._change.replace
            values["destination_url"] = row["destination_url"].replace(replace.find, replace.replacement)
        if all(values[name] == row[name] for name in LINK_FIELDS):
            self._edited.unchanged += 1
            return None
        try:
            checked = {name: values[name] for name in ("destination_url", "tags") if values[name] != row[name]}
            decode_values(checked, LINKS.changes)
            self._references.require_raw(values)
        except InvalidFieldsError as error:
            for each in error.errors:
                self._fault(row["link_id"], each, values["destination_url"])
            return None
        except FieldError as error:
            self._fault(row["link_id"], error, values["destination_url"])
            return None
        return Draft(row["link_id"], values, row)

    def _note(self, draft: Draft) -> None:
        self._edited.changed += 1
        if len(self._edited.examples) < EXAMPLES_MAX and draft.before is not None:
            before = draft.before
            self._edited.examples += [
                Example(draft.number, name, before[name], draft.values[name])
                for name in LINK_FIELDS
                if draft.values[name] != before[name]
            ]

    def _fault(self, link_id: int, error: FieldError, value: Any) -> None:
        self._edited.faults.append(error_of(link_id, error.field or "", value, error.code, error.message))
