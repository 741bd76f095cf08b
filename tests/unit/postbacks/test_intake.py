"""The postback intake's application: a request is handed on whole, as WSGI has it, and a slow body holds no thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from threading import Barrier
from typing import Any

import pytest

from edge.postbacks import ThreadedApp
from edge.postbacks.intake import THREADS, Message, Scope, wsgi_environ

LIMIT = 10


def scope(**changes: Any) -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/postback/tok\u00e9n",
        "query_string": b"a=%20b&c=\xff",
        "headers": [(b"host", b"track.example"), (b"content-type", b"text/plain"), (b"x-a", b"1"), (b"x-a", b"2")],
        "client": ("192.0.2.7", 4711),
        "server": ("127.0.0.1", 8083),
    } | changes


def chunks(*parts: bytes) -> list[Message]:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    return [*messages, {"type": "http.request", "body": b"", "more_body": False}]


async def ask(app: ThreadedApp, messages: list[Message], whole: bool = True) -> list[Message]:
    """Return what is sent for a request; one that is not `whole` says no more after its messages."""
    sent: list[Message] = []
    waiting = iter(messages)

    async def receive() -> Message:
        message = next(waiting, None)
        if message is None:
            assert not whole
            await asyncio.Event().wait()
        assert message is not None
        return message

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope(), receive, send)
    return sent


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("201 Created", [("Content-Type", "text/plain"), ("X-Name", "caf\u00e9")])
    return [environ["CONTENT_LENGTH"].encode(), b":", environ["wsgi.input"].read()]


def test_a_body_in_pieces_is_handed_on_whole() -> None:
    start, body = asyncio.run(ask(ThreadedApp(echo, LIMIT), chunks(b"ab", b"", b"cd")))
    assert start["status"] == 201
    assert start["headers"] == [(b"content-type", b"text/plain"), (b"x-name", b"caf\xe9")]
    assert body["body"] == b"4:abcd"


def test_of_a_body_over_the_limit_one_byte_more_is_kept_and_the_rest_received() -> None:
    messages = chunks(b"x" * 8, b"y" * 8, b"z" * 8)
    _, body = asyncio.run(ask(ThreadedApp(echo, LIMIT), messages))
    assert body["body"] == b"11:" + b"x" * 8 + b"y" * 3


def test_a_body_that_is_not_complete_in_time_is_answered_408_and_closed() -> None:
    app = ThreadedApp(echo, LIMIT, body_s_max=0.01)
    start, body = asyncio.run(ask(app, chunks(b"a")[:1], whole=False))
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert b"too-slow" in body["body"]


def test_a_client_that_goes_away_is_not_answered() -> None:
    def never(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise AssertionError("half a request was handed on")

    messages = [*chunks(b"a")[:1], {"type": "http.disconnect"}]
    assert asyncio.run(ask(ThreadedApp(never, LIMIT), messages)) == []


def test_as_many_requests_as_there_are_threads_wait_for_the_disk_together() -> None:
    together = Barrier(THREADS)

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        together.wait(20)
        start_response("200 OK", [])
        return [b"ok"]

    async def all_at_once() -> list[list[Message]]:
        app = ThreadedApp(slow, LIMIT)
        return await asyncio.gather(*(ask(app, chunks(b"a")) for _ in range(THREADS)))

    assert [sent[0]["status"] for sent in asyncio.run(all_at_once())] == [200] * THREADS


def test_bodies_that_do_not_come_hold_up_nobody() -> None:
    async def beside() -> list[Message]:
        app = ThreadedApp(echo, LIMIT)
        stuck = [asyncio.ensure_future(ask(app, chunks(b"a")[:1], whole=False)) for _ in range(THREADS * 4)]
        answer = await asyncio.wait_for(ask(app, chunks(b"quick")), 5)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        return answer

    assert asyncio.run(beside())[0]["status"] == 201


def test_the_environment_is_the_one_wsgi_describes() -> None:
    environ = wsgi_environ(scope(), b"body")
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/postback/tok\u00e9n"
    assert environ["QUERY_STRING"] == "a=%20b&c=\xff"
    assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"]) == ("192.0.2.7", "8083")
    assert (environ["CONTENT_TYPE"], environ["HTTP_HOST"], environ["HTTP_X_A"]) == (
        "text/plain",
        "track.example",
        "1,2",
    )
    assert environ["CONTENT_LENGTH"] == "4"


@pytest.mark.parametrize("name", [b"x_forwarded_for", b"x-forwarded_for", b"content_length"])
def test_a_header_with_an_underscore_is_not_taken_for_another(name: bytes) -> None:
    headers = [(b"x-forwarded-for", b"192.0.2.1"), (name, b"6.6.6.6"), (b"transfer-encoding", b"chunked")]
    environ = wsgi_environ(scope(headers=headers), b"body")
    assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"
    assert environ["CONTENT_LENGTH"] == "4"
    assert "HTTP_TRANSFER_ENCODING" not in environ
