"""Writes many links at once: they are copied into a temporary table, and two statements insert and change them.

Triggers write their versions and their history, once for a statement. Names of columns come from the declared fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import sql
from psycopg.errors import IntegrityError
from psycopg.types.json import Jsonb

from admin_api.bulk_links.drafts import Draft
from admin_api.bulk_links.import_settings import LINK_FIELDS
from admin_api.bulk_links.stored_links import Place, load_by_place
from admin_api.configuration import LINKS
from admin_api.http import OUTDATED, ConflictError
from admin_api.routing import load_own_places
from admin_api.runtime import Database, Row, save_bulk_change
from config.configuration import link_key
from tracking.runtime import FieldError

# PostgreSQL's advisory locks are numbers; one change of many links at a time has this one.
LOCK_NUMBER = 0x77617970_6F737404
# A statement about 100,000 links takes seconds, on a busy machine many.
STATEMENT_TIMEOUT = "120s"
# Each of these links is followed by queries of its own.
LOOP_CHECKS_MAX = 2000
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, LINK_FIELDS))
_CREATE = sql.SQL(
    "create temporary table staged_links on commit drop as"
    " select 0::bigint as number, link_id, {} from links with no data"
).format(_COLUMNS)
_COPY = sql.SQL("copy staged_links (number, link_id, {}) from stdin").format(_COLUMNS)
_INSERT = sql.SQL("insert into links ({0}) select {0} from staged_links where link_id is null order by number").format(
    _COLUMNS
)
_UPDATE = sql.SQL(
    "update links set {}, revision = links.revision + 1, updated_at = now() from staged_links"
    " where staged_links.link_id = links.link_id"
).format(sql.SQL(", ").join(sql.SQL("{0} = staged_links.{0}").format(sql.Identifier(name)) for name in LINK_FIELDS))


@contextmanager
def alone(database: Database, *, previewing: bool) -> Iterator[None]:
    """Open a transaction for a change of many links; a preview takes it back. Raises ConflictError beside another."""
    with database.transaction(force_rollback=previewing):
        database.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(STATEMENT_TIMEOUT)))
        if not previewing:
            # Waiting would hold a connection for as long as the other change takes.
            row = database.execute("select pg_try_advisory_xact_lock(%s) as held", [LOCK_NUMBER]).fetchone()
            if row is None or not row["held"]:
                raise ConflictError("many links are being changed just now; try again in a minute", code="bulk-running")
        yield


class Staging:
    """Links on their way into the database, inside the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own = load_own_places(database)
        self._fallbacks: dict[int | None, str | None] = {
            row["profile_id"]: row["fallback_url"]
            for row in database.execute("select profile_id, fallback_url from profiles where fallback_url is not null")
        }
        self._keys: dict[str, None] = {}
        # Where links are that lead to links of ours, and their numbers: rows of the file, or links.
        self.looping: dict[Place, int] = {}
        database.execute(_CREATE)

    def add(self, drafts: Iterable[Draft]) -> None:
        """Stage some links."""
        with self._database.cursor().copy(_COPY) as copy:
            for draft in drafts:
                values = draft.values
                link_id = draft.before and draft.before["link_id"]
                copy.write_row([draft.number, link_id, *(_stored(values[name]) for name in LINK_FIELDS)])
                self._keys[link_key(*draft.place)] = None
                if draft.before is not None:
                    self._keys[link_key(draft.before["profile_id"], draft.before["slug"])] = None
                if self._own.may_loop({**values, "fallback_url": self._fallbacks.get(values["profile_id"])}):
                    self.looping[draft.place] = draft.number

    def save(self) -> None:
        """Write the staged links. Raises ConflictError if something that they refer to has changed meanwhile."""
        self._database.execute("analyze staged_links")
        try:
            self._database.execute(_INSERT)
            self._database.execute(_UPDATE)
        except IntegrityError as error:
            expected = LINKS.conflicts.get(error.diag.constraint_name or "")
            if expected is None:
                raise
            said = f"something changed since the links were checked: {expected().message}; ask for a preview again"
            raise ConflictError(said, code=OUTDATED, field="token") from error
        save_bulk_change(self._database, self._keys)

    def loops(self) -> Iterator[tuple[int, FieldError]]:
        """Yield the numbers of saved links that lead back to themselves, and why. Raises FieldError for too many."""
        if len(self.looping) > LOOP_CHECKS_MAX:
            raise FieldError(
                "destination_url",
                f"{len(self.looping)} links lead to links of yours; change at most {LOOP_CHECKS_MAX} of these at once",
            )
        if not self.looping:
            return
        query = sql.SQL("{} where links.link_id = any(%s)").format(sql.SQL(LINKS.select))
        saved = load_by_place(self._database, self.looping, lock=False)
        numbers = {row["link_id"]: self.looping[place] for place, row in saved.items()}
        rows: list[Row] = self._database.execute(query, [list(numbers)]).fetchall()
        for row in rows:
            try:
                LINKS.check(self._database, row)
            except FieldError as error:
                yield numbers[row["link_id"]], error


def _stored(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict) else value
