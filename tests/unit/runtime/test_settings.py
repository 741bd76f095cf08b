"""Settings: each error names its variable, defaults are usable, secrets are made once and kept private."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.settings import SettingError, admin_settings, edge_settings, embedded_settings, secret, worker_settings
from config.settings.options import OPTIONS

NUMBERS = (
    "EDGE_PORT",
    "EDGE_WORKERS",
    "INTAKE_PORT",
    "INTAKE_WORKERS",
    "EDGE_NODE_ID",
    "TRUSTED_PROXIES",
    "SPOOL_SEGMENT_BYTES",
    "SPOOL_MAX_BYTES",
    "SPOOL_FSYNC_MS",
    "MIRROR_MAX_BYTES",
    "POSTBACK_BODY_BYTES",
    "AGENT_BATCH_RECORDS",
    "AGENT_BATCH_WAIT_MS",
    "AGENT_OUTSTANDING_BATCHES",
    "AGENT_RETRY_S",
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"WAYPOST_HOME": str(tmp_path / "home")}


def test_every_program_starts_with_defaults_alone(environ: dict[str, str]) -> None:
    for read in (edge_settings, worker_settings, admin_settings, embedded_settings):
        assert read(environ).home == Path(environ["WAYPOST_HOME"])


def test_an_empty_variable_means_the_default(environ: dict[str, str]) -> None:
    assert edge_settings(environ | {"EDGE_PORT": " "}).port == int(OPTIONS["EDGE_PORT"].default)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["x", "-1", "1.5", "99999999999999999999", "\u0661"])
def test_a_bad_number_is_refused_by_name(environ: dict[str, str], name: str, text: str) -> None:
    with pytest.raises(SettingError, match=name) as refusal:
        edge_settings(environ | {name: text})
    assert refusal.value.field == name


@pytest.mark.parametrize(("name", "text"), [("EDGE_SERVER", "apache"), ("LOG_LEVEL", "loud")])
def test_a_bad_choice_is_refused_with_the_choices(environ: dict[str, str], name: str, text: str) -> None:
    with pytest.raises(SettingError, match=f"{name} must be one of .*, not '{text}'"):
        edge_settings(environ | {name: text})


def test_a_bad_public_scheme_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="PUBLIC_SCHEME"):
        admin_settings(environ | {"PUBLIC_SCHEME": "gopher"})


@pytest.mark.parametrize("text", ["xyz", "00", "00" * 65, "00" * 32 + ",", "00" * 32 + ",11"])
def test_bad_click_id_keys_are_refused(environ: dict[str, str], text: str) -> None:
    with pytest.raises(SettingError, match="CLICK_ID_KEYS"):
        edge_settings(environ | {"CLICK_ID_KEYS": text})


def test_a_postback_body_that_no_record_could_hold_is_refused(environ: dict[str, str]) -> None:
    assert edge_settings(environ | {"POSTBACK_BODY_BYTES": "131072"}).postback_body_bytes == 131_072
    with pytest.raises(SettingError, match="POSTBACK_BODY_BYTES must be a whole number from 1024 to 131072"):
        edge_settings(environ | {"POSTBACK_BODY_BYTES": "131073"})


def test_several_click_id_keys_are_kept_in_order(environ: dict[str, str]) -> None:
    keys = edge_settings(environ | {"CLICK_ID_KEYS": "11" * 32 + "," + "22" * 16}).click_id_keys
    assert keys == (b"\x11" * 32, b"\x22" * 16)


def test_all_programs_of_a_home_share_its_key_and_node(environ: dict[str, str]) -> None:
    assert edge_settings(environ).click_id_keys == worker_settings(environ).click_id_keys
    assert edge_settings(environ).click_id_keys == admin_settings(environ).click_id_keys
    assert edge_settings(environ).node_id == edge_settings(environ).node_id


def test_the_edge_is_never_told_the_database(environ: dict[str, str]) -> None:
    settings = edge_settings(environ | {"DATABASE_URL": "postgresql://secret@db/waypost"})
    assert "secret@db" not in repr(settings)


def test_a_secret_is_private_and_stays_the_same(tmp_path: Path) -> None:
    first = secret(tmp_path / "new" / "home", "a-secret", 32)
    assert len(bytes.fromhex(first)) == 32
    assert secret(tmp_path / "new" / "home", "a-secret", 32) == first
    assert stat.S_IMODE((tmp_path / "new" / "home" / "a-secret").stat().st_mode) == 0o600


def test_a_secret_made_by_many_at_once_is_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(lambda _: secret(tmp_path, "a-secret", 32), range(64)))
    assert len(secrets) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a-secret"]


def test_a_secret_is_on_disk_before_it_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut after the first start must not take the key of click ids back that were handed out."""
    done: list[str] = []
    sync, link = os.fsync, os.link

    def noting_sync(descriptor: int) -> None:
        done.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def noting_link(source: Path, target: Path) -> None:
        assert source.read_text().strip()
        done.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", noting_sync)
    monkeypatch.setattr(os, "link", noting_link)
    secret(tmp_path, "a-secret", 32)
    assert done == ["file", "link", "directory"]


@pytest.mark.parametrize("name", ["click-id-keys", "edge-node-id"])
def test_an_empty_secret_says_which_file_and_what_to_do(environ: dict[str, str], name: str) -> None:
    home = Path(environ["WAYPOST_HOME"])
    edge_settings(environ)
    (home / name).write_text("")
    with pytest.raises(SettingError, match=f"{name} is empty; put the secret back"):
        edge_settings(environ)


def test_every_option_says_what_it_is_for() -> None:
    assert all(option.meaning and name == option.name for name, option in OPTIONS.items())
