"""An edge redirects whatever becomes of the databases of addresses, and tells what it uses and what failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from time import perf_counter

import pytest

import edge_client
from config.configuration import link_key, profile_key
from config.geo import GeoDatabases, GeoEvent, files
from config.settings import GeoSettings
from edge_client import Edge, link, profile, running_edge, settings_of
from geo_files import country, write_database

VISITOR = "10.1.2.3"


class Place:
    """An edge with one link to its visitor's country, and the directory of the operator's databases."""

    def __init__(self, edge: Edge, geo: GeoDatabases, directory: Path) -> None:
        self.edge = edge
        self.geo = geo
        self.directory = directory

    def location(self) -> str:
        answer = self.edge.get("/click/where", X_Forwarded_For=VISITOR)
        assert answer.status_code == 302
        return str(answer.headers["location"])

    def put(self, content: bytes) -> str:
        """Write over the database file, let the edge look, and return where a click goes then."""
        (self.directory / "c.mmdb").write_bytes(content)
        self.geo.refresh()
        return self.location()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    settings = settings_of(tmp_path / "home", TRUSTED_PROXIES="1", GEOIP_DIR=str(tmp_path / "geo"))

    def count(event: GeoEvent) -> None:
        running.recorder.count_geo(event)

    geo = GeoDatabases(settings.geo, count)
    monkeypatch.setattr(edge_client, "GeoDatabases", lambda: geo)
    served = [(profile_key("t.example"), profile(1)), (link_key(1, "where"), link(1, "https://m.example/{country}/x"))]
    (tmp_path / "geo").mkdir()
    with running_edge(settings, served) as running:
        yield Place(running, geo, tmp_path / "geo")


def database(tmp_path: Path, code: str) -> bytes:
    return write_database(
        tmp_path / "made" / code, country(code), "GeoLite2-Country", built_at=1_700_000_000
    ).read_bytes()


def test_a_database_that_is_missing_broken_cut_or_replaced_never_fails_a_redirect(place: Place, tmp_path: Path) -> None:
    swedish, norwegian = database(tmp_path, "SE"), database(tmp_path, "NO")
    assert place.location() == "https://m.example//x"
    assert place.edge.get("/click?test=1").json["geo"] == {"databases": {}}
    assert place.put(b"garbage") == "https://m.example//x"
    assert place.put(swedish) == "https://m.example/SE/x"
    assert place.put(swedish[:40]) == "https://m.example/SE/x"
    assert place.put(b"") == "https://m.example/SE/x"
    assert place.put(norwegian) == "https://m.example/NO/x"
    assert place.edge.get("/click?test=1").json["geo"] == {"databases": {"country": 1_700_000_000}}
    counted = dict(re.findall(r'waypost_edge_geo_total\{event="([a-z-]+)"\} (\d+)\.0', place.edge.get("/metrics").text))
    assert counted == {"loaded": "2", "load-failed": "3", "lookup-failed": "0"}
    assert len(place.edge.clicks) == 6


def test_a_disk_that_hangs_delays_no_redirect(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, ends = Event(), Event()

    def hang(settings: GeoSettings) -> dict[Path, files.Version]:
        hangs.set()
        ends.wait(60)
        return {}

    monkeypatch.setattr("config.geo.databases.find_files", hang)
    place.geo.start(wait_s=0.0)
    assert hangs.wait(60)
    began = perf_counter()
    assert place.location() == "https://m.example//x"
    assert perf_counter() - began < 5
    place.geo.close()
    ends.set()
