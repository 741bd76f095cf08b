"""Checks before the start: each failure is one sentence that names the setting, and never shows a password."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from config.settings import EmbeddedSettings, SettingError, embedded_settings
from config.supervision.preflight import check_database, check_ports, check_redis, lock_home
from waiting import free_port


def _settings(home: Path, **overrides: str) -> EmbeddedSettings:
    names = ("EDGE_PORT", "INTAKE_PORT", "ADMIN_PORT", "STREAM_PORT", "EMBEDDED_POSTGRES_PORT", "EMBEDDED_VALKEY_PORT")
    environ: Mapping[str, str] = {"WAYPOST_HOME": str(home)} | {name: str(free_port()) for name in names} | overrides
    return embedded_settings(environ)


def test_free_ports_pass(home: Path) -> None:
    check_ports(_settings(home))


@pytest.mark.parametrize(
    "name", ["EDGE_PORT", "INTAKE_PORT", "ADMIN_PORT", "STREAM_PORT", "EMBEDDED_POSTGRES_PORT", "EMBEDDED_VALKEY_PORT"]
)
def test_taken_port_names_its_setting(home: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingError, match=f"port {port} of 127.0.0.1 is taken .* set {name} "):
            check_ports(_settings(home, **{name: str(port)}))


def test_ports_of_servers_that_are_not_started_are_not_looked_at(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        check_ports(_settings(home, INTAKE_PORT="0"))
        check_ports(_settings(home, EMBEDDED_VALKEY_PORT=port, REDIS_URL="redis://h"))
        check_ports(_settings(home, EMBEDDED_POSTGRES_PORT=port, DATABASE_URL="postgresql://h"))


def test_a_program_that_is_left_out_may_listen_already(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = _settings(home, EDGE_PORT=str(taken.getsockname()[1]))
        check_ports(settings, {"edge"})
        with pytest.raises(SettingError, match="EDGE_PORT"):
            check_ports(settings, {"admin"})


def test_equal_ports_are_refused(home: Path) -> None:
    port = str(free_port())
    with pytest.raises(SettingError, match="ADMIN_PORT and EDGE_PORT are both"):
        check_ports(_settings(home, EDGE_PORT=port, ADMIN_PORT=port))


def test_address_of_another_machine_names_the_host_setting(home: Path) -> None:
    with pytest.raises(SettingError, match="EDGE_HOST"):
        check_ports(_settings(home, EDGE_HOST="192.0.2.1"))


def test_second_lock_of_a_home_names_it(home: Path) -> None:
    with lock_home(home), pytest.raises(SettingError, match=f"WAYPOST_HOME={home}"):
        lock_home(home)
    lock_home(home).close()


def test_home_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match=r"WAYPOST_HOME=.*cannot be used"):
        lock_home(tmp_path / "file" / "home")


@pytest.mark.parametrize("url", ["postgresql://u:hush@127.0.0.1:{port}/x", "postgres//u:hush", "host=127.0.0.1 hush"])
def test_unusable_database_url_is_named_without_its_password(url: str) -> None:
    with pytest.raises(SettingError, match="DATABASE_URL") as caught:
        check_database(url.format(port=free_port()))
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("url", ["redis://:hush@127.0.0.1:{port}/0", "hush"])
def test_unusable_redis_url_is_named_without_its_password(url: str) -> None:
    with pytest.raises(SettingError, match="REDIS_URL") as caught:
        check_redis(url.format(port=free_port()))
    assert "hush" not in caught.value.message
