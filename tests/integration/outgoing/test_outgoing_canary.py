"""Nothing private is ever called: a canary listens on every address of this host, and nothing may reach it.

The canary is a listener on all addresses, so that whatever leads back to this host is heard; for addresses elsewhere
the test is that no socket is even connected.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from config.connections import OutgoingError, PlainSocket, resolve
from config.settings import OutgoingSettings
from hostile_urls import HOSTILE_URLS
from partner import Partner, answering, partner
from resolved_names import NAMES
from tracking.clicks import URL_CHARACTERS_MAX
from tracking.outgoing import AttemptError, parse_networks
from worker.outgoing import OutgoingClient
from worker.outgoing.client import Request

# What the system's resolver makes of these is its own affair; the client must refuse whatever comes out.
HOSTS = (
    *("127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "127.255.255.254", "0.0.0.0", "0", "localhost", "localhost."),
    *("LOCALHOST", "127.0.0.1.", "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1"),
    *("0177.0.0.01", "127.0.0.0x1", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1"),
    *("\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]"),
    *("[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:1::1]", "[2001:0:7f00:1::1]", "[fe80::1]", "[fec0::1]"),
    *("[fe80::1%25lo]", "[fe80::1%lo]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[100::1]", "[2001:db8::1]"),
    *("[2606:4700::5efe:127.0.0.1]", "[3fff::1]", "[5f00::1]", "169.254.169.254", "169.254.170.2", "2852039166"),
    *("0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "[::ffff:169.254.169.254]", "100.100.100.200"),
    *("168.63.129.16", "192.0.0.192", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    *("192.168.257", "100.64.0.1", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1", "256.1.1.1", "1.2.3.4.5", "127.0.0.08"),
)


@pytest.fixture
def canary() -> Iterator[Partner]:
    with partner(host="::") as listening:
        yield listening


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list to which every attempt to connect is added; none is made."""
    seen: list[object] = []
    monkeypatch.setattr(PlainSocket, "connect", lambda self, address: seen.append(address))
    return seen


def refusal(url: str, client: OutgoingClient | None = None) -> str:
    with pytest.raises(OutgoingError) as refused:
        (client or OutgoingClient(OutgoingSettings())).send(Request("GET", url, {}, b""))
    return refused.value.code


@pytest.mark.parametrize("host", HOSTS)
def test_no_private_host_is_called(host: str, canary: Partner) -> None:
    assert refusal(f"http://{host}:{canary.port}/") in (AttemptError.ADDRESS_REFUSED, AttemptError.BAD_URL)
    assert refusal(f"https://{host}:{canary.port}/") in (AttemptError.ADDRESS_REFUSED, AttemptError.BAD_URL)
    assert canary.connections == 0


@pytest.mark.parametrize("host", HOSTS)
def test_no_socket_is_connected_for_a_private_host(host: str, connected: list[object]) -> None:
    refusal(f"http://{host}/")
    assert connected == []


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_resolves_to_anything_private_is_not_called(name: str, connected: list[object]) -> None:
    client = OutgoingClient(OutgoingSettings(), lambda asked, port: NAMES[asked])
    assert refusal(f"http://{name}/", client) == AttemptError.ADDRESS_REFUSED
    assert connected == []


# A URL of a delivery may be longer than one that is saved, since a visitor's values stand in it.
@pytest.mark.parametrize(
    "url", [*(url for url in HOSTILE_URLS if len(url) <= URL_CHARACTERS_MAX), f"https://a.example/{'a' * 66_000}"]
)
def test_a_hostile_url_is_not_called(url: str, connected: list[object]) -> None:
    assert refusal(url) == AttemptError.BAD_URL
    assert connected == []


@pytest.mark.parametrize(
    "url",
    [
        "http://1.1.1.1@127.0.0.1:{port}/",
        "http://partner.example@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#@partner.example/",
        "http://127.0.0.1:{port}?@partner.example/",
        "http://127.0.0.1:{port}\\@partner.example/",
        "http://partner.example\\@127.0.0.1:{port}/",
        "http:127.0.0.1:{port}/",
        "http:/\\127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http://127.0.0.1\t:{port}/",
        "http://127.0.0.1%00.partner.example:{port}/",
        "http://%31%32%37.0.0.1:{port}/",
        "http://[::1%25]:{port}/",
        "gopher://127.0.0.1:{port}/_x",
        "file://127.0.0.1:{port}/etc/passwd",
        "unix:///var/run/docker.sock",
        "ftp://127.0.0.1:{port}/",
        "dict://127.0.0.1:{port}/x",
    ],
)
def test_no_trick_with_the_url_reaches_the_canary(url: str, canary: Partner) -> None:
    refusal(url.replace("{port}", str(canary.port)))
    assert canary.connections == 0


def test_the_table_is_long_enough() -> None:
    assert len({*HOSTS, *NAMES}) >= 60


def test_the_canary_can_be_heard(canary: Partner) -> None:
    allowed = OutgoingSettings(parse_networks("127.0.0.0/8, ::1/128"))
    for host in ("127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "localhost"):
        answer = OutgoingClient(allowed).send(Request("GET", f"http://{host}:{canary.port}/", {}, b""))
        assert answer.status == 200
    assert canary.connections == 6


def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_the_one_called() -> None:
    """DNS rebinding: the second answer would be private."""
    answers = [["127.0.0.5"], ["127.0.0.1"]]
    asked: list[str] = []

    def rebinding(name: str, port: int) -> list[str]:
        asked.append(name)
        return answers[min(len(asked), 2) - 1]

    with partner(host="127.0.0.5") as honest:
        victim = socket.create_server(("127.0.0.1", honest.port))
        victim.settimeout(0.01)
        with victim:
            client = OutgoingClient(OutgoingSettings(parse_networks("127.0.0.5/32")), rebinding)
            answer = client.send(Request("GET", f"http://rebind.example:{honest.port}/x", {}, b""))
            assert (answer.status, answer.address) == (200, "127.0.0.5")
            assert honest.received[0].headers["host"] == f"rebind.example:{honest.port}"
            assert asked == ["rebind.example"]
            # The next request asks again, and is refused.
            assert refusal(f"http://rebind.example:{honest.port}/", client) == AttemptError.ADDRESS_REFUSED
            with pytest.raises(TimeoutError):
                victim.accept()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_private_address_is_not_followed(status: int, canary: Partner) -> None:
    with partner(answering(status, Location=f"http://127.0.0.2:{canary.port}/"), "127.0.0.1") as honest:
        allowed = OutgoingSettings(parse_networks("127.0.0.0/8"))
        answer = OutgoingClient(allowed).send(Request("GET", honest.url(), {}, b""))
    assert answer.status == status
    assert canary.connections == 0


def test_a_proxy_of_the_environment_is_not_asked(canary: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    with partner(host="127.0.0.5") as honest:
        allowed = OutgoingSettings(parse_networks("127.0.0.5/32"))
        OutgoingClient(allowed).send(Request("GET", f"http://127.0.0.5:{honest.port}/", {}, b""))
        assert len(honest.received) == 1
    assert canary.connections == 0


def test_the_systems_resolver_gives_addresses() -> None:
    assert set(resolve("localhost", 80)) <= {"127.0.0.1", "::1"}
