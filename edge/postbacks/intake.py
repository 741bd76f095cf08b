"""The postback intake: runs the edge's application in threads, once an event loop has received a whole request.

So a slow body holds no thread. If it is not complete in time, it is answered 408.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, NamedTuple

import orjson

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

BODY_S_MAX = 10.0
# How many postbacks of one process may wait for the disk or for Redis at the same time.
THREADS = 16
_TOO_SLOW = orjson.dumps(
    {
        "type": "about:blank",
        "title": "Request Timeout",
        "status": 408,
        "code": "too-slow",
        "detail": f"Send the whole body within {BODY_S_MAX:g} seconds.",
    }
)


class Answer(NamedTuple):
    """A whole response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class DisconnectedError(Exception):
    """The client went away before its request was complete."""


class ThreadedApp:
    """An ASGI application that calls a WSGI one in threads, with the whole body cut to one byte more than a limit."""

    def __init__(self, app: WsgiApp, body_bytes_max: int, body_s_max: float = BODY_S_MAX) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max
        self._body_s_max = body_s_max
        self._threads = ThreadPoolExecutor(THREADS, "intake")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            async with asyncio.timeout(self._body_s_max):
                body = await self._receive_body(receive)
        except TimeoutError:
            headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
            answer = Answer(408, headers, _TOO_SLOW)
        except DisconnectedError:
            return
        else:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, self._call, wsgi_environ(scope, body))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _receive_body(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise DisconnectedError
            body += message.get("body", b"")[: self._body_bytes_max + 1 - len(body)]
            if not message.get("more_body"):
                return bytes(body)

    def _call(self, environ: dict[str, Any]) -> Answer:
        started: list[tuple[int, list[tuple[bytes, bytes]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., None]:
            encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            started.append((int(status[:3]), encoded))
            return lambda data: None

        result = self._app(environ, start_response)
        try:
            body = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        return Answer(*started[-1], body)


def wsgi_environ(scope: Scope, body: bytes) -> dict[str, Any]:
    """Return the WSGI environment of an ASGI request with its whole body."""
    server, client = scope.get("server") or ("", 0), scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        # SECURITY: in the environment, X_Forwarded_For would have the same name as X-Forwarded-For.
        if b"_" in name:
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    # The length of what was received; chunks are put together already.
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return environ
