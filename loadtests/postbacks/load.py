"""Paced requests from a process of their own, each latency counted from the moment at which its request was due."""

from __future__ import annotations

import selectors
import socket
from collections import deque
from collections.abc import Sequence
from time import perf_counter

from loadtests.postbacks.scene import HOST, TOKEN

_CONNECTIONS = 16
_SILENCE_S = 20.0


def click_request() -> bytes:
    """Return a click."""
    return f"GET /click/link1?sub1=a&sub2=b HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def postback_request(click_id: str) -> bytes:
    """Return the first deposit of a click, as a merchant's server sends it."""
    body = f"click_id={click_id}&event=ftd&payout=25.00&currency=USD&order_id=o-{click_id}"
    lines = [
        f"POST /postback/{TOKEN} HTTP/1.1",
        f"Host: {HOST}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def paced(port: int, requests: Sequence[bytes], rate: float, wanted: bytes) -> list[float]:
    """Send `rate` requests a second, whatever the server does; return the milliseconds from due to answered of each.

    Every answer must begin with `wanted`, or RuntimeError says what came. At most 16 wait at a time; a request that is
    due while all of them do is sent late, and its wait counts.
    """
    selector = selectors.DefaultSelector()
    idle: deque[socket.socket] = deque()
    for _ in range(_CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        idle.append(connection)
    due_of: dict[socket.socket, float] = {}
    latencies: list[float] = []
    began = perf_counter()
    sent = 0
    while len(latencies) < len(requests):
        while sent < len(requests) and idle and began + sent / rate <= perf_counter():
            connection = idle.popleft()
            due_of[connection] = began + sent / rate
            connection.sendall(requests[sent])
            sent += 1
        due = began + sent / rate - perf_counter() if idle and sent < len(requests) else _SILENCE_S
        ready = selector.select(max(0.0, due))
        if not ready and due == _SILENCE_S:
            raise RuntimeError(f"no answer for {_SILENCE_S:g} s; {len(latencies)} of {len(requests)} were answered")
        for key, _ in ready:
            connection = key.fileobj  # type: ignore[assignment]
            answer = connection.recv(65536)
            if not answer.startswith(wanted):
                raise RuntimeError(f"the server answered {answer[:300]!r}")
            latencies.append((perf_counter() - due_of.pop(connection)) * 1000)
            idle.append(connection)
    for connection in idle:
        connection.close()
    return latencies
