"""The PostgreSQL roles of the admin API: made by `python -m admin_api.migrate`, and checked when the API starts.

`waypost_admin` and `waypost_partner` cannot log in. The API's login takes the one or the other for each request. Roles
belong to the whole server, so another database of it may have made them, even in this moment.
"""

from __future__ import annotations

from contextlib import suppress

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import DuplicateObject, InsufficientPrivilege, InvalidParameterValue, UniqueViolation

from admin_api.runtime import ADMIN_ROLE, PARTNER_ROLE, Database
from config.database import GRANTS_FILE
from tracking.runtime import WaypostError

ROLES = (ADMIN_ROLE, PARTNER_ROLE)
# Before 16, every member of a role could take it.
_MAY_SET_SINCE = 16_00_00


class RolesError(WaypostError):
    """The roles of the admin API cannot be made or given. The message names what an administrator should run."""

    code = "no-roles"


def make_roles(database: Database) -> None:
    """Make the two roles that hold rights, unless they exist."""
    for role in ROLES:
        try:
            _make_role(database, sql.SQL("create role {} nologin").format(sql.Identifier(role)), role)
        except InsufficientPrivilege:
            statements = "; ".join(f"create role {name} nologin" for name in ROLES)
            raise RolesError(
                f"the login of DATABASE_URL may not make roles; run `{statements}` as an administrator of PostgreSQL,"
                " then start again"
            ) from None


def give_rights(database: Database) -> None:
    """Give the roles their rights on every table there is, in one transaction."""
    with database.transaction():
        database.execute(GRANTS_FILE.read_bytes())


def admit_login(database: Database, admin_url: str) -> None:
    """Let the login of ADMIN_DATABASE_URL take the roles. It is made if need be and if this connection may."""
    place = conninfo_to_dict(admin_url)
    login = str(place.get("user") or database.info.user)
    try:
        if login != database.info.user:
            _make_login(database, login, str(place.get("password") or ""))
        for role in ROLES:
            if not _may_take(database, login, role):
                grant = sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(login))
                _tolerant(database, grant)
    except InsufficientPrivilege:
        raise RolesError(
            f"the login {login} of the admin API may not take its roles; run"
            f' `create role "{login}" login noinherit` if it is missing, and'
            f' `grant {", ".join(ROLES)} to "{login}"` as an administrator of PostgreSQL, then start again'
        ) from None


def require_roles(database: Database) -> None:
    """Raise RolesError unless this connection's login may take both roles."""
    for role in ROLES:
        try:
            database.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        except (InsufficientPrivilege, InvalidParameterValue):
            raise RolesError(
                f"the login of the admin API may not take the role {role};"
                " run `python -m admin_api.migrate`, which gives it or says who can"
            ) from None
    database.execute(sql.SQL("set role {}").format(sql.Identifier(ADMIN_ROLE)))


def _make_login(database: Database, login: str, password: str) -> None:
    # SECURITY: the server gets the password's hash, so neither its log nor pg_stat_activity shows the password.
    hashed = database.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("create role {} login noinherit password {}").format(sql.Identifier(login), sql.Literal(hashed))
    _make_role(database, statement, login)


def _make_role(database: Database, statement: sql.Composed, role: str) -> None:
    if database.execute("select from pg_roles where rolname = %s", [role]).rowcount == 0:
        _tolerant(database, statement)


def _tolerant(database: Database, statement: sql.Composed) -> None:
    """Run a statement on roles. RACE: who migrates another database of the server may have run it in this moment."""
    with suppress(DuplicateObject, UniqueViolation):
        database.execute(statement)


def _may_take(database: Database, login: str, role: str) -> bool:
    privilege = "set" if database.info.server_version >= _MAY_SET_SINCE else "member"
    row = database.execute("select pg_has_role(%s::name, %s::name, %s)", [login, role, privilege]).fetchone()
    # Asked by position: who migrates may read rows as tuples.
    return bool(row and next(iter(row.values() if isinstance(row, dict) else row)))
