"""Bytes that no browser sends: never a 5xx, and a Location that stays one line of printable ASCII."""

from __future__ import annotations

import pytest

from hostile_values import OVER_THE_WIRE
from running_stack import Reply, Stack
from world import World


def ask(stack: Stack, host: str, target: bytes, *headers: bytes) -> Reply:
    lines = [b"GET %b HTTP/1.1" % target, b"Host: %b" % host.encode(), *headers, b"Connection: close", b"", b""]
    return stack.raw(b"\r\n".join(lines))


def assert_plain(location: str) -> None:
    assert location.isascii()
    assert location.isprintable()
    assert not set(location) & set(" <>\"'\\")
    assert location.startswith("https://m.example/")


@pytest.mark.parametrize(("redirect_type", "status"), [("302", 302), ("301", 301), ("js", 200)])
def test_a_hostile_query_gives_an_encoded_redirect(world: World, stack: Stack, redirect_type: str, status: int) -> None:
    link = world.link(redirect_type, destination_url="https://m.example/{x}?s={sub1}&c={click_id}#{x}")
    reply = ask(stack, link["host"], link["path"].encode() + b"?sub1=a%0d%0ab&x=\xc3\xa9")
    assert reply.status == status
    click_id = reply.headers["x-waypost-click-id"]
    target = f"https://m.example/%C3%A9?s=a%0D%0Ab&c={click_id}#%C3%A9"
    if redirect_type == "js":
        assert target.replace("&", "\\u0026").encode() in reply.body
        assert b"\r" not in reply.body
    else:
        assert reply.headers["location"] == target
    click = stack.await_click(click_id)["click"]
    assert (click["sub1"], click["parameters"]["x"]) == ("a\r\nb", "\u00e9")


@pytest.mark.parametrize("redirect_type", ["302", "301", "js"])
def test_no_hostile_value_breaks_out_or_breaks_the_edge(world: World, stack: Stack, redirect_type: str) -> None:
    link = world.link(
        redirect_type,
        destination_url="https://m.example/{x}?s={sub1}&u={user_agent}&r={referrer}&c={click_id}",
    )
    click_ids = []
    for value in (*OVER_THE_WIRE.values(), b"x&sub1=second", b"&&&===&"):
        target = link["path"].encode() + b"?sub1=" + value + b"&x=" + value
        reply = ask(stack, link["host"], target, b"User-Agent: " + value, b"Referer: " + value)
        # A server may refuse what is not HTTP, but what it lets through is redirected and recorded.
        assert reply.status < 500, (value, reply)
        if reply.status >= 400:
            continue
        if "location" in reply.headers:
            assert_plain(reply.headers["location"])
        else:
            assert b"<script>alert" not in reply.body
        click_ids.append(reply.headers["x-waypost-click-id"])
    assert len(click_ids) >= len(OVER_THE_WIRE) - 4
    for click_id in click_ids:
        stack.await_click(click_id)


@pytest.mark.parametrize(
    "target",
    [
        b"/click/%00",
        b"/click/%c3%a9",
        b"/click/" + b"a" * 3000,
        b"/click/..%2f..%2fetc%2fpasswd",
        b"/click/a/b",
        b"/click/",
        b"/click",
        b"/",
        b"/postback/",
        b"/postback/%00?click_id=x",
        b"//evil.example/click/x",
        b"/click/x?" + b"a=b&" * 1500,
    ],
)
def test_a_hostile_path_is_refused_without_an_error(world: World, stack: Stack, target: bytes) -> None:
    reply = ask(stack, world.profiles["302"]["domain"], target)
    assert 400 <= reply.status < 500
    assert "x-waypost-click-id" not in reply.headers


@pytest.mark.parametrize("host", ["", "\u00e9".encode().decode("latin-1"), "a" * 300, "a:b:c", "[::1", "..", "%00"])
def test_a_hostile_host_is_refused_without_an_error(world: World, stack: Stack, host: str) -> None:
    link = world.link()
    lines = [
        b"GET %b HTTP/1.1" % link["path"].encode(),
        b"Host: " + host.encode("latin-1"),
        b"Connection: close",
        b"",
        b"",
    ]
    reply = stack.raw(b"\r\n".join(lines))
    assert 400 <= reply.status < 500


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"])
def test_another_method_is_refused_and_not_recorded(world: World, stack: Stack, method: str) -> None:
    link = world.link()
    reply = stack.edge(link["path"], link["host"], method)
    assert reply.status in (200, 204, 400, 405, 501)
    assert "x-waypost-click-id" not in reply.headers
