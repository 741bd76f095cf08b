"""A test click through its whole chain: our own edge, partners on this machine, plain and under TLS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from admin_api.http import ConflictError
from admin_api.link_test import LinkTester, OwnEdge, Web
from admin_api.link_test.chain import HOPS_MAX, TESTS_AT_ONCE
from admin_api.link_test.objects import AskedClick, ChainEnd
from admin_api.resources import Addresses
from certificates import make_certificate, serving
from config.configuration import link_key, profile_key
from config.connections import tls_context
from edge_client import Edge, link, profile, running_edge, settings_of
from partner import Partner, Received, answering, partner
from resolved_names import NAMES
from tracking.clicks import TEST_CLICK_ID

LOOPBACK = (ip_network("127.0.0.0/8"),)
URL = "https://t.example/click/abc"


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@contextmanager
def edge_to(home: Path, destination: str) -> Iterator[tuple[Edge, int]]:
    """Serve one link over HTTP; yield the edge and its port."""
    served = {
        profile_key("t.example"): profile(1, fallback_url="https://fallback.example/"),
        link_key(1, "abc"): link(10, destination),
        link_key(1, "again"): link(11, "https://t.example/click/abc?sub1={sub1}"),
    }
    with running_edge(settings_of(home), served.items()) as edge:
        server = make_server("127.0.0.1", 0, edge.client.app, handler_class=Quiet)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield edge, server.server_port
        finally:
            server.shutdown()
            server.server_close()


def clicks_of(edge: Edge, port: int, web: Web | None = None) -> LinkTester:
    local = Web(LOOPBACK, lambda name, port: ["127.0.0.1"])
    return LinkTester(OwnEdge("127.0.0.1", Addresses("https", port)), edge.settings.click_id_keys, web or local)


def is_ours(host: str) -> bool:
    return host == "t.example"


def secure(shop: Partner) -> str:
    return f"https://shop.example:{shop.port}/"


def test_every_hop_is_shown_up_to_the_page_and_nothing_is_recorded(tmp_path: Path) -> None:
    page = b"<html><TITLE lang=en>\n Welcome &amp; hello </TITLE></html>"
    with ExitStack() as stack:
        shop = stack.enter_context(partner(answering(200, page, Content_Type="text/html; charset=utf-8")))
        network = stack.enter_context(partner(answering(301, Location=shop.url("/landing?x=1"), Set_Cookie="a=b")))
        edge, port = stack.enter_context(
            edge_to(tmp_path / "home", network.url("/in?c={click_id}&s={sub1}&d={device}"))
        )
        phone = AskedClick(query="sub1=a b&x=\u00e9", user_agent="iPhone \u00e9", accept_language="de")
        chain = clicks_of(edge, port).follow(URL, phone, is_ours)
        assert chain.end == ChainEnd.ARRIVED
        assert [(hop.status, hop.url, hop.location) for hop in chain.hops] == [
            (302, f"{URL}?sub1=a%20b&x=%C3%A9", network.url(f"/in?c={TEST_CLICK_ID}&s=a%20b&d=phone")),
            (301, network.url(f"/in?c={TEST_CLICK_ID}&s=a%20b&d=phone"), shop.url("/landing?x=1")),
            (200, shop.url("/landing?x=1"), None),
        ]
        assert (chain.hops[2].title, chain.hops[2].address, chain.hops[2].tls) == ("Welcome & hello", "127.0.0.1", None)
        (asked,) = shop.received
        assert asked.headers["user-agent"].encode("latin-1").decode() == "iPhone \u00e9"
        assert (asked.headers["accept-language"], "cookie" in asked.headers) == ("de", False)
        assert edge.clicks == []


def test_the_version_and_the_certificate_of_a_hop_under_tls_are_shown(tmp_path: Path) -> None:
    files = make_certificate(tmp_path, "shop.example", 2)
    web = Web(LOOPBACK, lambda name, port: ["127.0.0.1"], tls_context(str(files[0])))
    with (
        partner(tls=serving(files)) as shop,
        edge_to(tmp_path / "home", f"https://shop.example:{shop.port}/") as (edge, port),
    ):
        hop = clicks_of(edge, port, web).follow(URL, AskedClick(), is_ours).hops[1]
        assert (hop.status, hop.error) == (200, None)
        assert hop.tls is not None
        assert hop.tls.version in ("TLSv1.2", "TLSv1.3")
        assert (hop.tls.issuer, hop.tls.names) == ("shop.example", ["shop.example"])


def test_a_certificate_that_nobody_vouches_for_ends_the_test_in_words(tmp_path: Path) -> None:
    files = make_certificate(tmp_path, "shop.example", 2)
    with (
        partner(tls=serving(files)) as shop,
        edge_to(tmp_path / "home", f"https://shop.example:{shop.port}/") as (edge, port),
    ):
        chain = clicks_of(edge, port).follow(URL, AskedClick(), is_ours)
        assert (chain.end, chain.hops[1].status, chain.hops[1].error) == (ChainEnd.FAILED, None, "tls-failed")
        assert "self-signed" in (chain.hops[1].detail or "").replace("self signed", "self-signed")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_to_a_private_address_is_refused_by_the_resolver(tmp_path: Path, name: str) -> None:
    web = Web((), lambda asked, port: NAMES[asked])
    with edge_to(tmp_path / "home", f"http://{name}/") as (edge, port):
        chain = clicks_of(edge, port, web).follow(URL, AskedClick(), is_ours)
        assert (chain.end, chain.hops[1].error) == (ChainEnd.FAILED, "address-refused")


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://169.254.169.254/latest/meta-data/", "address-refused"),
        ("http://[::ffff:10.0.0.7]/", "address-refused"),
        ("javascript:alert(1)", "bad-url"),
        ("file:///etc/passwd", "bad-url"),
        ("http://user:word@evil.example/", "bad-url"),
        ("http://0x7f.1.1.1.1/", "address-refused"),
    ],
)
def test_a_hop_that_leads_where_no_request_may_go_ends_the_test(tmp_path: Path, location: str, error: str) -> None:
    with partner(answering(302, Location=location)) as evil, edge_to(tmp_path / "home", evil.url()) as (edge, port):
        chain = clicks_of(edge, port).follow(URL, AskedClick(), is_ours)
        assert (chain.end, len(chain.hops), chain.hops[2].error) == (ChainEnd.FAILED, 3, error)


def test_a_loop_is_shown_and_an_endless_chain_is_cut(tmp_path: Path) -> None:
    def counting(connection: object, received: Received) -> None:
        number = int(received.path.rpartition("=")[2]) + 1
        answering(302, Location=f"/?n={number}")(connection, received)  # type: ignore[arg-type]

    with (
        partner(answering(302, Location="/round")) as round_,
        edge_to(tmp_path / "a", round_.url("/round")) as (edge, port),
    ):
        chain = clicks_of(edge, port).follow(URL, AskedClick(), is_ours)
        assert (chain.end, len(chain.hops)) == (ChainEnd.LOOP, 2)
    with partner(counting) as endless, edge_to(tmp_path / "b", endless.url("/?n=0")) as (edge, port):
        chain = clicks_of(edge, port).follow(URL, AskedClick(), is_ours)
        assert (chain.end, len(chain.hops)) == (ChainEnd.TOO_MANY_HOPS, HOPS_MAX)


def test_a_link_that_leads_to_another_of_our_links_is_tested_there_too(tmp_path: Path) -> None:
    with partner() as shop, edge_to(tmp_path / "home", shop.url("/{sub1}")) as (edge, port):
        chain = clicks_of(edge, port).follow("https://t.example/click/again", AskedClick(query="sub1=x"), is_ours)
        assert [hop.url for hop in chain.hops] == [
            "https://t.example/click/again?sub1=x",
            "https://t.example/click/abc?sub1=x&wp_hop=1",
            shop.url("/x"),
        ]
        assert edge.clicks == []


def test_a_page_that_says_no_and_a_link_without_a_destination_are_told_apart(tmp_path: Path) -> None:
    with partner(answering(404)) as gone, edge_to(tmp_path / "home", gone.url()) as (edge, port):
        refused = clicks_of(edge, port).follow(URL, AskedClick(), is_ours)
        assert (refused.end, [hop.status for hop in refused.hops]) == (ChainEnd.REFUSED, [302, 404])
        unknown = clicks_of(edge, port).follow("https://t.example/click/nope", AskedClick(), is_ours)
        assert (unknown.end, unknown.hops[0].status, unknown.hops[0].reason) == (ChainEnd.REFUSED, 404, "unknown-slug")


def test_an_edge_that_is_away_or_has_other_keys_is_told(tmp_path: Path) -> None:
    with edge_to(tmp_path / "home", "https://m.example/") as (edge, port):
        other = LinkTester(OwnEdge("127.0.0.1", Addresses("https", port)), (b"another key of the tests",), Web())
        assert "CLICK_ID_KEYS" in (other.follow(URL, AskedClick(), is_ours).hops[0].detail or "")
        clicks = clicks_of(edge, port)
    chain = clicks.follow(URL, AskedClick(), is_ours)
    assert (chain.end, chain.hops[0].error) == (ChainEnd.FAILED, "connect-failed")


def test_only_so_many_tests_run_at_once(tmp_path: Path) -> None:
    asked, go = threading.Semaphore(0), threading.Event()

    def waiting(connection: object, received: Received) -> None:
        asked.release()
        go.wait(20)
        answering(200)(connection, received)  # type: ignore[arg-type]

    with partner(waiting) as slow, edge_to(tmp_path / "home", slow.url()) as (edge, port):
        clicks = clicks_of(edge, port)
        threads = [
            threading.Thread(target=clicks.follow, args=(URL, AskedClick(), is_ours)) for _ in range(TESTS_AT_ONCE)
        ]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert asked.acquire(timeout=20)
        with pytest.raises(ConflictError):
            clicks.follow(URL, AskedClick(), is_ours)
        go.set()
        for thread in threads:
            thread.join(20)
        assert clicks.follow(URL, AskedClick(), is_ours).end == ChainEnd.ARRIVED
