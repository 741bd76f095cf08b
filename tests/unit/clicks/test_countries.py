"""The country of an address: read from a real file of MaxMind's format, and never an error."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from config.countries import CountryTable
from config.settings import worker_settings

_EXTENDED_ARRAY, _EXTENDED_UINT64 = 4, 2


def text(value: str) -> bytes:
    return bytes([2 << 5 | len(value)]) + value.encode()


def short(value: int) -> bytes:
    return bytes([5 << 5 | 2]) + value.to_bytes(2, "big")


def number(value: int) -> bytes:
    return bytes([6 << 5 | 4]) + value.to_bytes(4, "big")


def mapping(**entries: bytes) -> bytes:
    return bytes([7 << 5 | len(entries)]) + b"".join(text(name) + value for name, value in entries.items())


def country_file(path: Path, data: bytes) -> Path:
    """Write a database that has `data` for the lower half of all IPv4 addresses and nothing for the upper one."""
    node_count, separator = 1, 16
    tree = (node_count + separator).to_bytes(3, "big") + node_count.to_bytes(3, "big")
    metadata = mapping(
        node_count=number(node_count),
        record_size=short(24),
        ip_version=short(4),
        database_type=text("Test"),
        languages=bytes([0, _EXTENDED_ARRAY]),
        binary_format_major_version=short(2),
        binary_format_minor_version=short(0),
        build_epoch=bytes([1, _EXTENDED_UINT64, 1]),
        description=mapping(),
    )
    path.write_bytes(tree + bytes(separator) + data + b"\xab\xcd\xefMaxMind.com" + metadata)
    return path


@pytest.mark.parametrize("name", ["country", "registered_country"])
def test_an_address_has_the_country_of_the_file(tmp_path: Path, name: str) -> None:
    table = CountryTable(country_file(tmp_path / "c.mmdb", mapping(**{name: mapping(iso_code=text("SE"))})))
    assert table.country("10.1.2.3") == "SE"
    assert [table.country(address) for address in ("192.0.2.7", "2001:db8::1", "nonsense", "")] == [""] * 4


@pytest.mark.parametrize("data", [text("SE"), mapping(), mapping(country=mapping())], ids=["text", "empty", "no-code"])
def test_an_entry_without_a_country_is_none(tmp_path: Path, data: bytes) -> None:
    assert CountryTable(country_file(tmp_path / "c.mmdb", data)).country("10.1.2.3") == ""


def test_a_file_that_cannot_be_read_is_said_once_and_answers_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    garbage = tmp_path / "garbage.mmdb"
    garbage.write_bytes(b"no database")
    for path in (garbage, tmp_path / "missing.mmdb"):
        assert CountryTable(path).country("10.1.2.3") == ""
    assert [f"GEOIP_COUNTRY_DB {tmp_path}/{name}" in caplog.text for name in ("garbage.mmdb", "missing.mmdb")] == [
        True
    ] * 2


def test_the_workers_are_told_of_the_same_file(tmp_path: Path) -> None:
    environ = {"WAYPOST_HOME": str(tmp_path), "GEOIP_COUNTRY_DB": str(tmp_path / "c.mmdb")}
    assert worker_settings(environ).geoip_country_db == tmp_path / "c.mmdb"
    assert worker_settings({"WAYPOST_HOME": str(tmp_path)}).geoip_country_db is None


def test_a_newer_file_that_is_copied_over_the_one_in_use_changes_nothing_for_who_has_it_open(tmp_path: Path) -> None:
    file = country_file(tmp_path / "c.mmdb", mapping(country=mapping(iso_code=text("SE"))))
    table = CountryTable(file)
    before = file.read_bytes()
    with file.open("r+b") as copied_over:
        copied_over.write(bytes(len(before)))
    assert table.country("10.1.2.3") == "SE"


def test_without_room_for_a_copy_the_file_itself_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", no_space)
    table = CountryTable(country_file(tmp_path / "c.mmdb", mapping(country=mapping(iso_code=text("SE")))))
    assert table.country("10.1.2.3") == "SE"
    assert "do not write over it while this runs" in caplog.text
