"""Bytes sent as they are, and every answer that came back until the server closed or fell silent."""

from __future__ import annotations

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from bare_edge import HOST

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n")
_LOCATION = re.compile(rb"(?i)\r\nlocation: ([^\r\n]*)\r\n")
# How long a server may take to begin an answer, and after how long it has said it all.
_BEGIN_S = 6.0
_SILENCE_S = 2.0
_LANES = 64


class Exchange(NamedTuple):
    """What one connection brought. `statuses` is empty where no status line came, as in HTTP/0.9."""

    statuses: list[int]
    data: bytes
    closed: bool

    @property
    def location(self) -> str | None:
        found = _LOCATION.search(self.data)
        return found[1].decode("latin-1") if found else None


def exchange(port: int, request: bytes, silence_s: float = _SILENCE_S) -> Exchange:
    """Send bytes over a new connection and read what comes; a server that says nothing for a while has said it all."""
    data, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        # A server that refuses early may close before it has read everything.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        connection.settimeout(max(_BEGIN_S, silence_s))
        try:
            while more := connection.recv(65536):
                data += more
                connection.settimeout(silence_s)
            closed = True
        except TimeoutError:
            pass
        except ConnectionResetError:
            closed = True
    return Exchange([int(status) for status in _STATUS.findall(data)], data, closed)


def exchanges(port: int, requests: dict[str, bytes]) -> dict[str, Exchange]:
    """Send each request over a connection of its own, several at a time."""
    with ThreadPoolExecutor(_LANES) as pool:
        return dict(zip(requests, pool.map(lambda request: exchange(port, request), requests.values()), strict=True))


def get(port: int, target: bytes, *headers: bytes) -> Exchange:
    """Ask for a target with raw header lines, on a connection that is closed after."""
    lines = [b"GET %b HTTP/1.1" % target, b"Host: %b" % HOST.encode(), *headers, b"Connection: close", b"", b""]
    return exchange(port, b"\r\n".join(lines), 10)
