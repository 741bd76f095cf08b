"""The embedded servers: secrets out of sight, an interrupted start mended, directories that are not ours untouched."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest

from config.embedded import placement
from config.embedded.binaries import EmbeddedError
from config.embedded.owner import pick_owner
from config.embedded.postgres import embedded_postgres
from config.embedded.valkey import embedded_valkey
from embedded_servers import running_postgres, server_home
from waiting import free_port

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another user")


def test_no_password_is_on_a_command_line(tmp_path: Path) -> None:
    with server_home() as home:
        postgres = embedded_postgres(home, "", free_port(), "hush")
        valkey = embedded_valkey(tmp_path, free_port(), "hush")
        valkey.prepare()
        assert "hush" not in " ".join(postgres.command() + valkey.command())
        assert (tmp_path / "valkey" / "valkey.conf").stat().st_mode & 0o777 == 0o600


def test_cluster_that_was_half_made_is_made_again() -> None:
    with server_home() as home:
        base = embedded_postgres(home, "", free_port(), "hush").base
        (base / "data.draft").mkdir()
        (base / "data.draft" / "PG_VERSION").write_text("18\n")
        (base / "password.draft").write_text("old")
        with running_postgres(home) as server:
            server.ensure_database()
            server.ensure_database()
            with psycopg.connect(server.url()) as connection:
                row = connection.execute("select current_setting('server_encoding'), current_database()").fetchone()
        assert row == ("UTF8", "waypost")
        assert {path.name for path in base.iterdir() if not path.name.startswith("server-")} == {"data"}


@as_root
def test_home_that_the_owner_cannot_reach_gets_its_data_elsewhere_and_is_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = {path: (path.stat().st_mode, path.stat().st_uid) for path in (closed, *closed.parents)}
    with server_home() as reachable:
        monkeypatch.setattr(placement, "AWAY", reachable / "away" / "waypost")
        server = embedded_postgres(closed, "", free_port(), "hush")
        server.prepare()
        assert (closed / "postgres").readlink() == server.base
        assert server.base.is_relative_to(reachable)
        assert (server.base / "belongs-to").read_text() == f"{closed}\n"
        assert server.data.stat().st_uid == server.owner.uid != 0
        assert server.owner.reaches(server.programs / "postgres")
        # The next start finds the same, whoever else could run it by now.
        assert embedded_postgres(closed, "", free_port(), "hush").base == server.base
        assert pick_owner("", closed / "postgres" / "data") == server.owner
    after = {path: (path.stat().st_mode, path.stat().st_uid) for path in before}
    assert after == before


@as_root
@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_user_that_cannot_run_postgresql_is_refused_by_name_of_the_setting(tmp_path: Path, user: str) -> None:
    with pytest.raises(EmbeddedError, match="EMBEDDED_USER"):
        embedded_postgres(tmp_path, user, free_port(), "hush")


def test_data_that_is_gone_is_not_silently_begun_anew(home: Path) -> None:
    home.mkdir()
    (home / "postgres").symlink_to(home / "away")
    with pytest.raises(EmbeddedError, match="WAYPOST_HOME"):
        embedded_postgres(home, "", free_port(), "hush")
