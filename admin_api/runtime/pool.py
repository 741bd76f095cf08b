"""The pool of the admin process. Every connection that it hands out has the PostgreSQL role of whom it is for.

SECURITY: this is the one place where a request gets its row rules, so no route can forget them. The role and the
source are set before the connection is handed out; if that fails, it is not handed out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, InvalidParameterValue, UndefinedObject
from psycopg.rows import dict_row
from psycopg.types.json import JsonbDumper
from psycopg_pool import ConnectionPool

from admin_api.runtime.acting import Standing, standing
from admin_api.runtime.connections import CONNECT_TIMEOUT_S, Database, Row, UnreachableError

CHECKOUT_TIMEOUT_S = 3.0
# After this long the pool stops reconnecting, and the next request tries again: at most this late after an outage.
RECONNECT_TIMEOUT_S = 3.0
_TAKE = (
    "select set_config('role', %s, false), set_config('waypost.source_id', %s, false),"
    " set_config('waypost.caller', %s, false)"
)
_bound: ContextVar[Database | None] = ContextVar("bound", default=None)


class StandingConnection(Connection[Row]):
    """A connection that knows which standing it has, so that the next request of the same caller costs nothing."""

    standing: Standing | None = None

    def take(self, wanted: Standing) -> None:
        """Take a standing. Raises UnreachableError if this login may not have its role."""
        if self.standing == wanted:
            return
        self.standing = None
        try:
            self.execute(_TAKE, list(wanted))
        except (InsufficientPrivilege, InvalidParameterValue, UndefinedObject):
            raise UnreachableError(
                f"the login of the admin API may not take the role {wanted.role}; run"
                f' `grant waypost_admin, waypost_partner to "{self.info.user}"` as an administrator of PostgreSQL'
            ) from None
        self.standing = wanted


class Pool(ConnectionPool[StandingConnection]):
    """Connections in the role of whom the caller's thread acts for (admin_api.runtime.acting)."""

    def getconn(self, timeout: float | None = None) -> StandingConnection:
        """Return a connection of the current standing. `connection()` calls this too."""
        database = super().getconn(timeout)
        try:
            database.take(standing())
        except BaseException:
            self.putconn(database)
            raise
        return database

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[Database]:  # type: ignore[override]
        """Yield the bound connection, if there is one, else one of the pool."""
        bound = _bound.get()
        if bound is not None:
            yield bound
            return
        with super().connection(timeout) as database:
            yield database

    @contextmanager
    def bound_connection(self) -> Iterator[Database]:
        """Yield a connection that this thread gets whenever it asks for one until the end of the block.

        So several steps share one transaction: a step's own `transaction()` becomes a savepoint of the caller's.
        """
        with self.connection() as database:
            token = _bound.set(database)
            try:
                yield database
            finally:
                _bound.reset(token)


def open_pool(database_url: str, size_max: int) -> Pool:
    """Return a pool that opens connections when they are needed. The database need not answer yet."""
    pool = Pool(
        database_url,
        connection_class=StandingConnection,
        kwargs={"autocommit": True, "row_factory": dict_row, "connect_timeout": CONNECT_TIMEOUT_S},
        min_size=1,
        max_size=size_max,
        timeout=CHECKOUT_TIMEOUT_S,
        reconnect_timeout=RECONNECT_TIMEOUT_S,
        configure=_configure,
        # If PostgreSQL closed an idle connection, the pool replaces it before a request gets it.
        check=ConnectionPool.check_connection,
        open=False,
    )
    pool.open(wait=False)
    return pool


def _configure(database: Database) -> None:
    # A JSON object of a request is stored as one: columns for JSON objects are jsonb.
    database.adapters.register_dumper(dict, JsonbDumper)
    database.execute("set timezone to 'UTC'")
    # This limits what one request can hold up. The ledger's counts are the slowest statements.
    database.execute("set statement_timeout to '30s'")
