"""The files of an operator come, change, break and go while the programs run, and no lookup notices."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from config.geo import GeoDatabases, GeoEvent, Place, files
from config.settings import GeoSettings, edge_settings, worker_settings
from geo_files import country, mapping, text, write_database
from real_data import REAL_DATA, needs_real_data

ADDRESS = "10.1.2.3"


class Operator:
    """Puts files into GEOIP_DIR, and looks what the databases make of them."""

    def __init__(self, home: Path, country_file: Path | None = None) -> None:
        self.directory = home / "geoip"
        self.directory.mkdir()
        self.settings = GeoSettings(self.directory, country_file, home / "copies")
        self.events: Counter[GeoEvent] = Counter()
        self.databases = GeoDatabases(self.settings, lambda event: self.events.update([event]))

    def look(self) -> str:
        """Refresh, and return the country of ADDRESS."""
        self.databases.refresh()
        return self.databases.country(ADDRESS)

    def put(self, name: str, code: str, kind: str = "GeoLite2-Country", built_at: int = 1) -> Path:
        """Put a database there in one step, as a careful operator does."""
        made = write_database(self.directory / f"{name}.new", country(code), kind, built_at)
        return made.replace(self.directory / name)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def test_a_file_is_used_when_it_comes_replaced_when_it_changes_and_left_when_it_goes(operator: Operator) -> None:
    assert operator.look() == ""
    operator.put("c.mmdb", "SE")
    assert operator.look() == "SE"
    operator.put("c.mmdb", "NO")
    assert operator.look() == "NO"
    assert operator.look() == "NO"
    assert operator.events == {GeoEvent.LOADED: 2}
    (operator.directory / "c.mmdb").unlink()
    assert operator.look() == "NO", "it may be about to be replaced"
    assert operator.look() == ""
    assert operator.events == {GeoEvent.LOADED: 2}


def test_a_file_that_is_removed_before_the_new_one_comes_is_never_missed(operator: Operator) -> None:
    path = operator.put("c.mmdb", "SE")
    assert operator.look() == "SE"
    path.unlink()
    assert operator.look() == "SE"
    operator.put("c.mmdb", "NO")
    assert operator.look() == "NO"


@pytest.mark.parametrize("damage", ["garbage", "empty", "half", "no-tree", "other-kind"])
def test_what_is_no_database_leaves_the_last_good_one_in_use_and_is_counted_once(
    operator: Operator, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = operator.put("c.mmdb", "SE")
    assert operator.look() == "SE"
    whole = path.read_bytes()
    made = {
        "garbage": b"no database",
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "no-tree": b"\xff" * 6 + whole[6:],
        "other-kind": whole.replace(b"GeoLite2-Country", b"GeoLite2-Weather"),
    }
    path.write_bytes(made[damage])
    assert [operator.look(), operator.look()] == ["SE", "SE"]
    assert operator.events == {GeoEvent.LOADED: 1, GeoEvent.LOAD_FAILED: 1}
    assert "the last good one stays in use" in caplog.text
    operator.put("c.mmdb", "NO")
    assert operator.look() == "NO"


def test_a_newer_file_that_is_copied_over_the_one_in_use_changes_nothing_until_it_is_whole(operator: Operator) -> None:
    path = operator.put("c.mmdb", "SE")
    assert operator.look() == "SE"
    newer = write_database(operator.directory / "newer", country("NO"), "GeoLite2-Country").read_bytes()
    with path.open("r+b") as copied_over:
        copied_over.truncate(0)
        assert [operator.databases.country(address) for address in ("10.9.9.9", "10.8.8.8")] == ["SE", "SE"]
        copied_over.write(newer[: len(newer) // 2])
        copied_over.flush()
        assert operator.look() == "SE"
        copied_over.write(newer[len(newer) // 2 :])
    assert operator.look() == "NO"


def test_a_file_that_changes_while_it_is_copied_is_not_used(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = operator.put("c.mmdb", "SE")
    real = shutil.copyfileobj

    def slow(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        path.write_bytes(path.read_bytes() + b"more")

    monkeypatch.setattr(shutil, "copyfileobj", slow)
    assert operator.look() == ""
    assert operator.events == {GeoEvent.LOAD_FAILED: 1}
    monkeypatch.undo()
    operator.put("c.mmdb", "SE")
    assert operator.look() == "SE"


def test_without_room_for_a_copy_the_file_itself_is_read(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", no_space)
    operator.put("c.mmdb", "SE")
    assert operator.look() == "SE"
    assert "do not write over it while this runs" in caplog.text
    assert list(operator.settings.copies.iterdir()) == []


def test_all_processes_read_one_copy_and_earlier_ones_are_removed(operator: Operator) -> None:
    others = [GeoDatabases(operator.settings) for _ in range(3)]
    for code in ("SE", "NO", "FI"):
        operator.put("c.mmdb", code)
        assert operator.look() == code
        for other in others:
            other.refresh()
            assert other.country(ADDRESS) == code
        assert len(list(operator.settings.copies.iterdir())) == 1


def test_a_copy_that_lost_its_content_in_a_power_cut_is_made_again(operator: Operator) -> None:
    operator.put("c.mmdb", "SE")
    assert operator.look() == "SE"
    (copy,) = operator.settings.copies.iterdir()
    copy.write_bytes(b"")
    later = GeoDatabases(operator.settings)
    later.refresh()
    assert later.country(ADDRESS) == "SE"


def test_what_a_killed_process_left_half_copied_is_removed_after_an_hour(operator: Operator) -> None:
    operator.settings.copies.mkdir()
    fresh, old = (operator.settings.copies / f"{name}.part" for name in ("fresh", "old"))
    fresh.touch()
    old.touch()
    os.utime(old, (1, 1))
    operator.put("c.mmdb", "SE")
    assert operator.look() == "SE"
    assert fresh.exists()
    assert not old.exists()


def test_the_newest_of_a_kind_is_used_and_a_named_country_file_before_all(tmp_path: Path) -> None:
    operator = Operator(tmp_path, tmp_path / "named.mmdb")
    operator.put("a.mmdb", "NO", built_at=2)
    operator.put("b.mmdb", "SE", built_at=1)
    assert operator.look() == "NO"
    operator.put("city.mmdb", "FI", "GeoLite2-City", built_at=1)
    assert operator.look() == "FI"
    write_database(tmp_path / "named.mmdb", country("DK"), "Whatever")
    assert operator.look() == "DK"


def test_a_lookup_that_meets_damage_answers_and_is_counted(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places that are looked at before a file is used cannot be all."""
    monkeypatch.setattr(files, "_probe", lambda *_: None)
    pointer_to_nowhere = bytes([1 << 5 | 7, 0xFF])
    broken_text = bytes([2 << 5 | 2]) + b"\xff\xfe"
    for at, data in enumerate((pointer_to_nowhere, mapping(country=mapping(iso_code=broken_text))), start=1):
        made = write_database(operator.directory / "new", data, "GeoLite2-Country")
        made.replace(operator.directory / "c.mmdb")
        assert operator.look() == ""
        assert operator.events[GeoEvent.LOOKUP_FAILED] == at
        assert operator.databases.country(ADDRESS) == ""
        assert operator.events[GeoEvent.LOOKUP_FAILED] == at, "what failed is remembered like any answer"


@pytest.mark.parametrize("data", [text("SE"), mapping(), mapping(country=mapping())], ids=["text", "empty", "no-code"])
def test_an_entry_without_a_country_is_none(operator: Operator, data: bytes) -> None:
    write_database(operator.directory / "c.mmdb", data, "GeoLite2-Country")
    assert operator.look() == ""
    assert operator.databases.lookup(ADDRESS) == Place()


def test_a_disk_that_hangs_delays_neither_the_start_nor_a_lookup(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.put("c.mmdb", "SE")
    hangs, ends = Event(), Event()

    def hang(settings: GeoSettings) -> dict[Path, files.Version]:
        hangs.set()
        ends.wait(60)
        return files.find_files(settings)

    monkeypatch.setattr("config.geo.databases.find_files", hang)
    operator.databases.start(wait_s=0.01)
    assert hangs.wait(60)
    assert operator.databases.country("8.8.8.8") == "US"
    operator.databases.close()
    ends.set()


def test_the_files_are_followed_in_the_background(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.geo.databases.CHECK_INTERVAL_S", 0.01)
    loaded = [Event(), Event()]
    databases = GeoDatabases(operator.settings, told(loaded))
    operator.put("c.mmdb", "SE")
    databases.start(wait_s=60)
    assert databases.country(ADDRESS) == "SE"
    operator.put("c.mmdb", "NO")
    assert loaded[1].wait(60)
    databases.close()
    databases._thread.join(60)
    assert databases.country(ADDRESS) == "NO"


def test_a_directory_that_cannot_be_looked_at_is_counted_and_the_thread_goes_on(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.geo.databases.CHECK_INTERVAL_S", 0.01)
    failed, loaded = Event(), Event()

    def stale(settings: GeoSettings) -> dict[Path, files.Version]:
        if not failed.is_set():
            raise OSError(errno.ESTALE, "Stale file handle")
        return files.find_files(settings)

    monkeypatch.setattr("config.geo.databases.find_files", stale)
    databases = GeoDatabases(
        operator.settings, lambda event: (failed if event is GeoEvent.LOAD_FAILED else loaded).set()
    )
    operator.put("c.mmdb", "SE")
    databases.start(wait_s=60)
    assert loaded.wait(60)
    databases.close()


def told(events: list[Event]) -> Callable[[GeoEvent], None]:
    """Return what sets one event after the other, one for each that is counted."""
    waiting = iter(events)
    return lambda _: next(waiting).set()


def test_edge_and_workers_have_the_same_settings(tmp_path: Path) -> None:
    environ = {"WAYPOST_HOME": str(tmp_path), "GEOIP_COUNTRY_DB": "/data/c.mmdb", "GEOIP_DIR": "/data/geo"}
    named = GeoSettings(Path("/data/geo"), Path("/data/c.mmdb"), tmp_path / "geoip-in-use")
    assert edge_settings(environ).geo == worker_settings(environ).geo == named
    unnamed = GeoSettings(tmp_path / "geoip", None, tmp_path / "geoip-in-use")
    assert edge_settings({"WAYPOST_HOME": str(tmp_path)}).geo == unnamed


@needs_real_data
@pytest.mark.parametrize("name", sorted(path.name for path in (REAL_DATA / "geo").glob("*.mmdb")))
def test_a_test_database_that_is_cut_anywhere_is_refused_or_answers(tmp_path: Path, name: str) -> None:
    operator = Operator(tmp_path)
    whole = (REAL_DATA / "geo" / name).read_bytes()
    for part in range(8):
        (operator.directory / name).write_bytes(whole[: len(whole) * part // 8])
        operator.databases.refresh()
        assert operator.databases.in_use() == {}
    assert operator.events == {GeoEvent.LOAD_FAILED: 8}
