"""The client against partners that answer badly, slowly, endlessly or not at all, and against bad TLS."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from certificates import make_certificate, serving
from config.connections import OutgoingError, tls_context
from config.settings import OutgoingSettings
from partner import Behaviour, Partner, answering, partner
from tracking.outgoing import AttemptError, parse_networks
from worker.outgoing import OutgoingClient, client
from worker.outgoing.client import BODY_KEPT_BYTES, HEADERS_KEPT_CHARACTERS, Request, Response

TIMEOUT_S = 2
SETTINGS = OutgoingSettings(parse_networks("127.0.0.0/8, ::1/128"), connect_timeout_s=1, timeout_s=TIMEOUT_S)


def ask(behaviour: Behaviour, method: str = "GET", body: bytes = b"") -> Response:
    with partner(behaviour) as shop:
        return OutgoingClient(SETTINGS).send(Request(method, shop.url("/x?y=1"), {"A": "b"}, body))


def failure(behaviour: Behaviour) -> str:
    with pytest.raises(OutgoingError) as failed:
        ask(behaviour)
    return failed.value.code


def sending(*parts: bytes, forever: bytes = b"", pause_s: float = 0) -> Behaviour:
    """Send some bytes, then others again and again until the client has had enough."""

    def behave(connection: socket.socket, _: object) -> None:
        for part in parts:
            connection.sendall(part)
        while forever:
            connection.sendall(forever)
            if pause_s:
                connection.settimeout(pause_s)
                try:
                    if not connection.recv(1):
                        break
                except TimeoutError:
                    continue

    return behave


def test_a_request_arrives_as_it_was_meant() -> None:
    with partner(answering(201, b"made", X_Thing="1")) as shop:
        request = Request("POST", shop.url("/p%20q?x=%26#part"), {"Content-Type": "application/json"}, b'{"a":1}')
        answer = OutgoingClient(SETTINGS).send(request)
    assert answer == Response("127.0.0.1", 201, {"Content-Length": "4", "X-Thing": "1"}, "made")
    (received,) = shop.received
    assert (received.method, received.path, received.body) == ("POST", "/p%20q?x=%26", b'{"a":1}')
    assert received.headers["host"] == f"127.0.0.1:{shop.port}"
    assert received.headers["connection"] == "close"
    assert received.headers["accept-encoding"] == "identity"


def test_an_ipv6_address_is_called_and_named_in_brackets() -> None:
    with partner(host="::1") as shop:
        OutgoingClient(SETTINGS).send(Request("GET", f"http://[::1]:{shop.port}/", {}, b""))
    assert shop.received[0].headers["host"] == f"[::1]:{shop.port}"


def test_the_next_address_is_tried_when_one_refuses() -> None:
    with partner(host="127.0.0.6") as shop:
        client = OutgoingClient(SETTINGS, lambda name, port: ["127.0.0.1", "127.0.0.6"])
        answer = client.send(Request("GET", f"http://p.example:{shop.port}/", {}, b""))
    assert answer.address == "127.0.0.6"


def test_a_port_on_which_nobody_listens_is_a_failed_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(OutgoingError) as failed:
            OutgoingClient(SETTINGS).send(Request("GET", url, {}, b""))
    assert (failed.value.code, failed.value.address) == (AttemptError.CONNECT_FAILED, "127.0.0.1")


def test_an_address_that_does_not_answer_at_all_times_out() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        # A full queue of connections nobody accepts: the kernel answers no more.
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        began = monotonic()
        with pytest.raises(OutgoingError) as failed:
            OutgoingClient(SETTINGS).send(Request("GET", f"http://127.0.0.1:{address[1]}/", {}, b""))
        for filler in fillers:
            filler.close()
    assert failed.value.code == AttemptError.TIMED_OUT
    assert monotonic() - began < TIMEOUT_S


@pytest.mark.parametrize("error", [OSError("no such host"), UnicodeError("label too long")])
def test_a_name_that_does_not_resolve_is_said_so(error: Exception) -> None:
    def unknown(name: str, port: int) -> list[str]:
        raise error

    with pytest.raises(OutgoingError) as failed:
        OutgoingClient(SETTINGS, unknown).send(Request("GET", "http://gone.example/", {}, b""))
    assert failed.value.code == AttemptError.NAME_NOT_RESOLVED


def test_a_name_without_addresses_is_said_so() -> None:
    with pytest.raises(OutgoingError) as failed:
        OutgoingClient(SETTINGS, lambda name, port: []).send(Request("GET", "http://empty.example/", {}, b""))
    assert failed.value.code == AttemptError.NAME_NOT_RESOLVED


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(lambda connection, _: connection.recv(1), id="never answers"),
        pytest.param(sending(b"HTTP/1.1 200 OK\r\n", forever=b"X: ", pause_s=0.05), id="headers a few bytes at a time"),
        pytest.param(sending(forever=b"H", pause_s=0.05), id="a status line a byte at a time"),
        pytest.param(sending(forever=b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.05), id="continues for ever"),
    ],
)
def test_a_partner_that_takes_for_ever_has_its_time_and_no_more(behaviour: Behaviour) -> None:
    began = monotonic()
    assert failure(behaviour) == AttemptError.TIMED_OUT
    assert monotonic() - began < TIMEOUT_S + 1


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(sending(b"HTTP/1.1 200 OK\r\nX: ", forever=b"a" * 65536), id="a header without end"),
        pytest.param(sending(b"HTTP/1.1 200 OK\r\n", forever=b"X: 1\r\n" * 1000), id="headers without end"),
        pytest.param(sending(b"HTTP/1.1 ", forever=b"2" * 65536), id="a status line without end"),
        pytest.param(sending(b"SSH-2.0-OpenSSH_9.6\r\n"), id="another protocol"),
        pytest.param(sending(b"HTTP/1.1 99999 No\r\n\r\n"), id="a status that is none"),
        pytest.param(sending(b"\x00\xff" * 100), id="noise"),
        pytest.param(sending(b"\x16\x03\x01\x00\x05hello"), id="TLS on a plain port"),
    ],
)
def test_what_is_no_http_answer_is_refused_without_reading_it_all(behaviour: Behaviour) -> None:
    began = monotonic()
    assert failure(behaviour) == AttemptError.BAD_RESPONSE
    assert monotonic() - began < TIMEOUT_S


def test_a_connection_that_is_cut_is_said_so() -> None:
    def reset(connection: socket.socket, _: object) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    assert failure(reset) == AttemptError.CONNECTION_LOST
    assert failure(lambda connection, _: connection.close()) == AttemptError.CONNECTION_LOST


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(sending(b"HTTP/1.1 200 OK\r\n\r\n", forever=b"x" * 65536), id="without a length"),
        pytest.param(
            sending(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", forever=b"x" * 65536), id="10 GB"
        ),
        pytest.param(
            sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", forever=b"5\r\nxxxxx\r\n"), id="in chunks"
        ),
    ],
)
def test_of_an_endless_body_the_beginning_is_kept_and_no_more_is_read(behaviour: Behaviour) -> None:
    began = monotonic()
    answer = ask(behaviour)
    assert (answer.status, len(answer.body)) == (200, BODY_KEPT_BYTES)
    assert monotonic() - began < TIMEOUT_S


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nshort",
        b"HTTP/1.0 200\r\n\r\nshort",
    ],
)
def test_a_broken_body_changes_nothing_about_the_status(raw: bytes) -> None:
    answer = ask(sending(raw))
    assert answer.status == 200
    assert answer.body in ("short", "")


def test_a_body_that_trickles_does_not_hold_up_its_slot() -> None:
    began = monotonic()
    answer = ask(sending(b"HTTP/1.1 200 OK\r\n\r\n", forever=b"x", pause_s=0.05))
    assert answer.status == 200
    assert set(answer.body) == {"x"}
    assert monotonic() - began < TIMEOUT_S + 1


def test_a_compressed_body_is_not_unpacked() -> None:
    answer = ask(answering(200, b"\x1f\x8b\x08\x00", Content_Encoding="gzip"))
    assert answer.body == "\x1f\ufffd\x08\ufffd"


def test_of_many_headers_only_so_much_is_kept_but_retry_after_always() -> None:
    many = "".join(f"X-{number}: {'v' * 90}\r\n" for number in range(80))
    answer = ask(sending(f"HTTP/1.1 503 Busy\r\n{many}Retry-After: 7\r\n\r\n".encode()))
    assert answer.headers["Retry-After"] == "7"
    kept = sum(len(name) + len(value) for name, value in answer.headers.items())
    assert 3000 < kept < HEADERS_KEPT_CHARACTERS + 20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], tuple[Path, Path]]:
    """Return a maker of self-signed certificates: for a name and so many days, the file of certificate and key."""
    return partial(make_certificate, tmp_path_factory.mktemp("certificates"))


def ask_over_tls(shop: Partner, authority: Path | None, name: str = "partner.example") -> Response:
    context = tls_context(None if authority is None else str(authority))
    client = OutgoingClient(SETTINGS, lambda asked, port: ["127.0.0.1"], context)
    return client.send(Request("GET", f"https://{name}:{shop.port}/x", {}, b""))


def test_tls_is_verified_for_the_name_though_the_address_was_resolved_by_us(
    certificate: Callable[[str, int], tuple[Path, Path]],
) -> None:
    files = certificate("partner.example", 2)
    with partner(answering(200, b"secret"), tls=serving(files)) as shop:
        assert ask_over_tls(shop, files[0]).body == "secret"
        assert ask_over_tls(shop, files[0], "partner.example.").body == "secret"
    assert {each.headers["host"] for each in shop.received} == {f"partner.example:{shop.port}"}


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Callable[[str, int], tuple[Path, Path]]) -> None:
    with partner(tls=serving(certificate("partner.example", 2))) as shop:
        with pytest.raises(OutgoingError) as failed:
            ask_over_tls(shop, None)
        assert failed.value.code == AttemptError.TLS_FAILED
        assert shop.received == []


def test_a_certificate_of_another_name_is_refused(certificate: Callable[[str, int], tuple[Path, Path]]) -> None:
    files = certificate("another.example", 2)
    with partner(tls=serving(files)) as shop:
        with pytest.raises(OutgoingError) as failed:
            ask_over_tls(shop, files[0])
        assert failed.value.code == AttemptError.TLS_FAILED
        assert shop.received == []


def test_a_plain_port_is_no_tls(certificate: Callable[[str, int], tuple[Path, Path]]) -> None:
    with partner() as shop, pytest.raises(OutgoingError) as failed:
        ask_over_tls(shop, None)
    assert failed.value.code in (AttemptError.TLS_FAILED, AttemptError.TIMED_OUT)


def test_a_handshake_that_never_ends_has_its_time_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = monotonic()
        client = OutgoingClient(SETTINGS, lambda asked, port: ["127.0.0.1"])
        with pytest.raises(OutgoingError) as failed:
            client.send(Request("GET", f"https://partner.example:{silent.getsockname()[1]}/", {}, b""))
    assert failed.value.code == AttemptError.TIMED_OUT
    assert monotonic() - began < TIMEOUT_S


def test_a_trickling_answer_under_tls_has_its_time_and_no_more(
    certificate: Callable[[str, int], tuple[Path, Path]],
) -> None:
    files = certificate("partner.example", 2)
    with partner(sending(b"HTTP/1.1 200 OK\r\n", forever=b"X: ", pause_s=0.05), tls=serving(files)) as shop:
        began = monotonic()
        with pytest.raises(OutgoingError) as failed:
            ask_over_tls(shop, files[0])
    assert failed.value.code == AttemptError.TIMED_OUT
    assert monotonic() - began < TIMEOUT_S + 1


def test_a_name_that_resolves_after_its_lease_may_be_over_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([1000.0, 1031.0])
    monkeypatch.setattr(client, "monotonic", lambda: next(moments))
    asked = OutgoingClient(SETTINGS, resolve=lambda name, port: ["127.0.0.1"])
    with pytest.raises(OutgoingError, match=r"slow\.example took 31 s to resolve") as failed:
        asked.send(Request("GET", "http://slow.example/", {}, b""))
    assert failed.value.code == AttemptError.TIMED_OUT
