"""Migrations and the first API token: run twice, run at once, run against what they must refuse."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from admin_api.migrate import keep_first_token, migrate
from admin_client import connect
from config.configuration import hash_token
from config.database import SchemaError, migration_files

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def empty_database_url(postgres_server: str) -> Iterator[str]:
    """Yield the URL of a database without any table."""
    name = f"waypost_empty_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield urlsplit(postgres_server)._replace(path=f"/{name}").geturl()
        server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def start(database_url: str, home: Path, **environ: str) -> subprocess.Popen[str]:
    """Start `python -m admin_api.migrate`."""
    settings = {"DATABASE_URL": database_url, "WAYPOST_HOME": str(home), "PATH": os.environ["PATH"]} | environ
    command = [sys.executable, "-m", "admin_api.migrate"]
    return subprocess.Popen(command, cwd=ROOT, env=settings, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(database_url: str, home: Path, **environ: str) -> tuple[int, str, str]:
    """Run it to its end; return status, output and errors."""
    process = start(database_url, home, **environ)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def tokens(database_url: str) -> list[str]:
    with closing(connect(database_url)) as database:
        return [row["token_hash"] for row in database.execute("select token_hash from api_tokens")]


def test_an_empty_database_gets_the_schema_and_a_token(empty_database_url: str, home: Path) -> None:
    status, out, err = run(empty_database_url, home)
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if line.startswith("applied")] == [
        f"applied {path.stem}" for path in migration_files()
    ]
    path = home / "admin-token"
    token = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert token.startswith("wp_")
    assert len(token) >= 3 + 43
    assert token not in out
    assert tokens(empty_database_url) == [hash_token(token)]

    assert run(empty_database_url, home) == (0, "", "")
    assert tokens(empty_database_url) == [hash_token(token)]


def test_two_at_once_are_safe(empty_database_url: str, home: Path) -> None:
    both = [start(empty_database_url, home) for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0, 0], outputs
    assert sum(out.count("applied 0001") for out, _ in outputs) == 1
    assert len(tokens(empty_database_url)) == 1


def test_a_token_file_outlives_its_database(empty_database_url: str, home: Path) -> None:
    home.mkdir()
    token = f"wp_{secrets.token_urlsafe(32)}"
    (home / "admin-token").write_text(token + "\n")
    assert run(empty_database_url, home)[0] == 0
    assert tokens(empty_database_url) == [hash_token(token)]
    assert (home / "admin-token").read_text() == token + "\n"


def test_a_database_with_tokens_gets_no_other(database_url: str, home: Path) -> None:
    with closing(connect(database_url)) as database:
        database.execute("insert into api_tokens (token_hash, name) values (%s, 'mine')", [hash_token("x")])
        assert keep_first_token(database, home) is None
    assert not (home / "admin-token").exists()


def test_a_token_file_that_holds_something_else_is_named(empty_database_url: str, home: Path) -> None:
    home.mkdir()
    (home / "admin-token").write_text("hello\n")
    status, _, err = run(empty_database_url, home)
    assert status == 1
    assert "admin-token" in err
    assert "hello" not in err


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://op:hunter2@127.0.0.1:1/waypost",
        "host=127.0.0.1 port=1 user=op password=hunter2",
        "postgresql://op:hunter2@127.0.0.1:notaport/waypost",
        "postgresql://op:hunter2@no-such-host.invalid/waypost",
        "mysql://op:hunter2@127.0.0.1/waypost",
        "op:hunter2",
    ],
)
def test_an_unreachable_database_is_one_sentence_without_the_password(url: str, home: Path) -> None:
    status, out, err = run(url, home)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert "DATABASE_URL" in err
    assert "hunter2" not in err
    assert "Traceback" not in err


def test_a_wrong_password_is_one_sentence_too(postgres_server: str, home: Path) -> None:
    target = urlsplit(postgres_server)
    assert target.hostname is not None
    wrong = target._replace(netloc=f"nobody:hunter2@{target.hostname}:{target.port}").geturl()
    status, _, err = run(wrong, home)
    assert (status, err.count("\n")) == (1, 1), err
    assert "hunter2" not in err


def test_a_database_of_a_newer_release_is_refused(database_url: str, home: Path) -> None:
    with closing(connect(database_url)) as database:
        database.execute("insert into schema_migrations (name) values ('9999_from_the_future')")
    status, _, err = run(database_url, home)
    assert (status, err.count("\n")) == (1, 1)
    assert "9999_from_the_future" in err


def test_a_migration_that_fails_leaves_nothing_of_itself(database_url: str, tmp_path: Path) -> None:
    files = migration_files()
    for name, text in (
        ("8000_good", "create table good (x int);"),
        ("8001_bad", "create table bad (x int); nonsense;"),
    ):
        path = tmp_path / f"{name}.sql"
        path.write_text(text)
        files.append(path)
    with closing(connect(database_url)) as database:
        with pytest.raises(psycopg.errors.SyntaxError):
            migrate(database, files)
        found = database.execute("select to_regclass('good') as good, to_regclass('bad') as bad").fetchone()
        assert found == {"good": "good", "bad": None}
        with pytest.raises(SchemaError):
            migrate(database, migration_files())


@pytest.mark.parametrize("module", ["admin_api", "admin_api.migrate"])
def test_a_bad_setting_is_one_sentence(module: str, home: Path) -> None:
    environ = {"ADMIN_PORT": "x", "WAYPOST_HOME": str(home), "PATH": os.environ["PATH"]}
    process = subprocess.run(
        [sys.executable, "-m", module], cwd=ROOT, env=environ, text=True, capture_output=True, timeout=60
    )
    assert process.returncode == 1
    assert (process.stdout, process.stderr.count("\n")) == ("", 1)
    assert "ADMIN_PORT" in process.stderr


def test_an_unmigrated_database_stops_the_admin_api_with_a_sentence(empty_database_url: str, home: Path) -> None:
    environ = {"DATABASE_URL": empty_database_url, "WAYPOST_HOME": str(home), "PATH": os.environ["PATH"]}
    process = subprocess.run(
        [sys.executable, "-m", "admin_api"], cwd=ROOT, env=environ, text=True, capture_output=True, timeout=60
    )
    assert process.returncode == 1
    assert "admin_api.migrate" in process.stderr
    assert process.stderr.count("\n") == 1
