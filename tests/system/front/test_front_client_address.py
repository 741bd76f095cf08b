"""Behind the shipped nginx, TRUSTED_PROXIES=1 finds the visitor's address, whatever the visitor claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bare_edge import SERVERS, BareEdge, running_edge
from exchanges import get
from front_proxy import Front, running_caddy, running_nginx

CLAIMS = {
    "none": (),
    "one": (b"X-Forwarded-For: 6.6.6.6",),
    "list": (b"X-Forwarded-For: 6.6.6.6, 7.7.7.7",),
    "lines": (b"X-Forwarded-For: 6.6.6.6", b"X-Forwarded-For: 7.7.7.7"),
    "underscores": (b"X_Forwarded_For: 6.6.6.6",),
    "mixed": (b"X-Forwarded-For: 6.6.6.6", b"X_Forwarded-For: 7.7.7.7", b"X-Forwarded_For: 8.8.8.8"),
    "others": (b"X-Real-IP: 6.6.6.6", b"Forwarded: for=6.6.6.6", b"True-Client-IP: 6.6.6.6"),
    "empty": (b"X-Forwarded-For:",),
    "nonsense": (b"X-Forwarded-For: \xff, <script>, 127.0.0.2 ",),
}


@pytest.fixture(scope="module", params=[(server, proxy) for server in SERVERS for proxy in ("nginx", "caddy")])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BareEdge, Front]]:
    server, proxy = request.param
    run = {"nginx": running_nginx, "caddy": running_caddy}[proxy]
    home: Path = tmp_path_factory.mktemp(f"{server}-{proxy}")
    with running_edge(server, home / "edge", TRUSTED_PROXIES="1") as edge, run(home / "proxy", edge.port) as front:
        yield edge, front


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_visitor_says_of_its_address_is_not_believed(place: tuple[BareEdge, Front], claim: str) -> None:
    edge, front = place
    answer = get(front.port, f"/click/link1?sub1={claim}".encode(), *CLAIMS[claim])
    if answer.statuses == [302]:
        assert [click.ip for click in edge.clicks() if click.query == f"sub1={claim}"] == ["127.0.0.1"]
    else:
        # A server's parser may refuse a header that is no text.
        assert (claim, answer.statuses) == ("nonsense", [400])


@pytest.mark.parametrize("server", SERVERS)
def test_without_a_trusted_proxy_the_header_is_ignored(server: str, tmp_path: Path) -> None:
    with running_edge(server, tmp_path / "edge") as edge:
        assert get(edge.port, b"/click/link1", b"X-Forwarded-For: 6.6.6.6").statuses == [302]
        assert [click.ip for click in edge.clicks()] == ["127.0.0.1"]
