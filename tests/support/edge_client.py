"""One edge in the test's own process: the real application, mirror and spool, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from falcon.testing import Result, TestClient

from config.configuration import (
    MirrorReader,
    MirrorWriter,
    PublishedLink,
    PublishedProfile,
    encode_published,
    mirror_meta,
)
from config.geo import GeoDatabases
from config.settings import EdgeSettings, edge_settings
from edge.app import Collaborators, create_app
from edge.caps import Caps
from edge.postbacks import DuplicateMarkers
from edge.spool import Recorder, spool_directories
from edge.spool.backlog import Backlog
from tracking.clicks import compile_template
from tracking.spool import Click, Postback, decode_click, decode_postback

NO_SUBS: list[str | None] = [None] * 10
PEER = "198.51.100.7"
DEAD_REDIS = "redis://127.0.0.1:1/0"


class Edge:
    """One edge process in the test's own: a client, and a look at what it spooled."""

    def __init__(self, settings: EdgeSettings) -> None:
        self.settings = settings
        self.recorder = Recorder(settings)
        self.mirror = MirrorReader(settings.mirror_dir)
        self.caps = Caps(settings.spool_dir, self.recorder.slot_name)
        markers = DuplicateMarkers(settings.redis_url)
        parts = Collaborators(self.mirror, self.recorder, GeoDatabases(), self.caps, markers)
        self.client = TestClient(create_app(settings, parts))

    def get(self, path: str, host: str = "t.example", method: str = "GET", **headers: str) -> Result:
        """Send one request; `headers` by their names with underscores."""
        path, _, query = path.partition("?")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.simulate_request(
            method, path, query_string=query, headers={"Host": host, **named}, remote_addr=PEER
        )

    def postback(self, path: str, body: str | bytes = "", method: str = "GET", **headers: str) -> Result:
        """Send one postback from PEER; `headers` by their names with underscores."""
        path, _, query = path.partition("?")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.simulate_request(
            method, path, query_string=query, body=body, headers=named, remote_addr=PEER
        )

    def payloads(self, stream: str) -> list[str]:
        found: list[str] = []
        for directory in spool_directories(self.settings.spool_dir):
            if directory.name.endswith(stream):
                backlog = Backlog(directory, 1000)
                backlog.scan()
                while extent := backlog.take(0):
                    found += backlog.read(extent).payloads
        return found

    @property
    def clicks(self) -> list[Click]:
        return [decode_click(payload) for payload in self.payloads("clicks")]

    @property
    def postbacks(self) -> list[Postback]:
        return [decode_postback(payload) for payload in self.payloads("postbacks")]


def link(link_id: int, url: str, **fields: Any) -> bytes:
    """Return a link as it is served; `fields` replace those of PublishedLink."""
    values: dict[str, Any] = {"active": True, "source": "newsletter", "sub_defaults": NO_SUBS} | fields
    return encode_published(
        PublishedLink(link_id=link_id, parts=list(compile_template(url, "destination_url")), **values)
    )


def profile(profile_id: int, **fields: Any) -> bytes:
    """Return a profile as it is served; `fields` replace those of PublishedProfile."""
    values: dict[str, Any] = {
        "name": "P",
        "active": True,
        "redirect_type": "302",
        "fallback_url": None,
        "pixels": [],
        "pixel_timeout_ms": 300,
    } | fields
    return encode_published(PublishedProfile(profile_id=profile_id, **values))


def settings_of(home: Path, **more: str) -> EdgeSettings:
    """Return an edge's settings with a home of its own and no Redis; `more` are further variables."""
    return edge_settings({"WAYPOST_HOME": str(home), "REDIS_URL": DEAD_REDIS, "EDGE_NODE_ID": "5"} | more)


@contextmanager
def running_edge(settings: EdgeSettings, served: Iterable[tuple[str, bytes]]) -> Iterator[Edge]:
    """Yield an edge that serves a configuration."""
    writer = MirrorWriter(settings.mirror_dir, 1 << 24)
    writer.replace(mirror_meta("e", 17, "1-0"), served)
    writer.close()
    running = Edge(settings)
    yield running
    running.recorder.close()
    running.mirror.close()
