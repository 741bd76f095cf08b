"""The PostgreSQL roles of the admin API: made once a server, by whoever may, and taken anew for each request."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from admin_api.database_roles import RolesError, admit_login, give_rights, make_roles, require_roles
from admin_api.runtime import Actor, Pool, act_for, act_for_nobody, acting_for, connect_database, open_pool
from admin_client import connect
from config.settings import admin_settings
from tracking.rights import Role, rights_of

_WHO = "select current_user::text as role, current_setting('waypost.source_id') as source"


@pytest.fixture
def login(postgres_server: str) -> Iterator[str]:
    """Yield the name of a login that the test may make; it is gone afterwards."""
    name = f"waypost_login_{secrets.token_hex(4)}"
    yield name
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """Yield a pool of two connections; the thread acts for nobody afterwards."""
    opened = open_pool(database_url, 2)
    yield opened
    act_for_nobody()
    opened.close()


def partner(source_id: int) -> Actor:
    return Actor(f"partner {source_id}", None, source_id, Role.PARTNER, rights_of(Role.PARTNER), source_id)


def owner() -> Actor:
    return Actor("owner", 1, None, Role.OWNER, rights_of(Role.OWNER), None)


def as_login(database_url: str, login: str, password: str) -> str:
    target = urlsplit(database_url)
    return target._replace(netloc=f"{login}:{password}@{target.hostname}:{target.port}").geturl()


def who(pool: Pool) -> tuple[str, str]:
    with pool.connection() as database:
        row = database.execute(_WHO).fetchone()
    assert row is not None
    return row["role"], row["source"]


def test_each_connection_has_the_role_of_whom_it_is_for(pool: Pool) -> None:
    assert who(pool) == ("waypost_admin", "")
    act_for(partner(7), "192.0.2.1")
    assert who(pool) == ("waypost_partner", "7")
    act_for(partner(8))
    assert who(pool) == ("waypost_partner", "8")
    act_for(owner())
    assert who(pool) == ("waypost_admin", "")
    act_for_nobody()
    with acting_for(partner(9)):
        assert who(pool) == ("waypost_partner", "9")
    assert who(pool) == ("waypost_admin", "")


def test_requests_at_the_same_time_never_get_each_others_role(pool: Pool) -> None:
    wrong: list[object] = []

    def ask(number: int) -> None:
        for turn in range(100):
            source = number * 1000 + turn
            act_for(partner(source) if turn % 3 else owner())
            expected = ("waypost_partner", str(source)) if turn % 3 else ("waypost_admin", "")
            if (found := who(pool)) != expected:
                wrong.append((found, expected))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_role_that_was_changed_inside_a_request_is_not_kept_for_the_next(pool: Pool) -> None:
    act_for(partner(7))
    with pytest.raises(psycopg.errors.DivisionByZero), pool.connection() as database, database.transaction():
        database.execute("select 1 / 0")
    act_for(partner(8))
    assert {who(pool) for _ in range(4)} == {("waypost_partner", "8")}


def test_a_bound_connection_is_the_only_one_until_its_end(pool: Pool) -> None:
    with pool.bound_connection() as bound, bound.transaction(force_rollback=True):
        with pool.connection() as inner, inner.transaction():
            assert inner is bound
            inner.execute("insert into sources (name) values ('inside')")
        with pytest.raises(psycopg.errors.DivisionByZero), pool.connection() as inner, inner.transaction():
            inner.execute("select 1 / 0")
        assert bound.execute("select count(*) as found from sources").fetchone() == {"found": 1}
    with pool.connection() as database:
        assert database.execute("select count(*) as found from sources").fetchone() == {"found": 0}


def test_a_login_of_its_own_owns_nothing_and_takes_both_roles(database_url: str, login: str) -> None:
    url = as_login(database_url, login, "a%3Apassword%2F")
    with closing(connect_database(database_url)) as database:
        admit_login(database, url)
        admit_login(database, url)
    with closing(connect(url)) as database:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.execute("select from links")
        require_roles(database)
        database.execute("select from links")
        for statement in ("drop table links", "alter table links disable trigger all", "delete from entries"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.execute(statement)


def test_a_login_that_may_not_make_roles_is_told_what_to_run(database_url: str, login: str) -> None:
    with closing(connect(database_url)) as database:
        database.execute(sql.SQL("create role {} login password 'x'").format(sql.Identifier(login)))
    with closing(connect(as_login(database_url, login, "x"))) as database:
        make_roles(database)
        with pytest.raises(RolesError, match=f'grant waypost_admin, waypost_partner to "{login}"'):
            admit_login(database, as_login(database_url, login, "x"))
        with pytest.raises(RolesError, match=f'create role "waypost_nobody_{login}" login noinherit'):
            admit_login(database, as_login(database_url, f"waypost_nobody_{login}", "x"))
        with pytest.raises(RolesError, match=r"admin_api\.migrate"):
            require_roles(database)


def test_rights_are_given_again_to_a_database_that_lost_them(database_url: str) -> None:
    with closing(connect(database_url)) as database:
        database.execute("revoke all on links from waypost_admin")
        database.execute("grant delete on entries to waypost_admin")
        give_rights(database)
        row = database.execute(
            "select has_table_privilege('waypost_admin', 'links', 'update') as links,"
            " has_table_privilege('waypost_admin', 'entries', 'delete') as entries"
        ).fetchone()
        assert row == {"links": True, "entries": False}


def test_roles_are_made_by_many_at_once(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"waypost_race_{secrets.token_hex(4)}" for _ in range(2))
    monkeypatch.setattr("admin_api.database_roles.ROLES", names)
    failed: list[BaseException] = []

    def make() -> None:
        try:
            with closing(connect(postgres_server)) as database:
                make_roles(database)
        except psycopg.Error as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(connect(postgres_server)) as database:
        for name in names:
            database.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
    assert failed == []


def test_the_embedded_login_has_a_password_in_the_home(home: Path) -> None:
    environ = {"WAYPOST_HOME": str(home)}
    own = admin_settings(environ).admin_database_url
    assert (home / "admin-database-password").read_text().strip() in own
    assert own != admin_settings(environ).database_url
    given = admin_settings(environ | {"DATABASE_URL": "postgresql://x/y"})
    assert given.admin_database_url == given.database_url
