"""A partner's server for tests: raw TCP on loopback, so that it can answer badly, late, for ever or not at all."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Received(NamedTuple):
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


# What to do with a connection once its request was read. It is closed when this returns.
Behaviour = Callable[[socket.socket, Received], None]


def answering(status: int = 200, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer every request alike; header names are given with underscores."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    raw = "\r\n".join([*lines, "", ""]).encode() + body
    return lambda connection, received: connection.sendall(raw)


class Partner:
    """A server on a loopback address. `received` are the requests, `connections` the connections ever accepted."""

    def __init__(self, behaviour: Behaviour, host: str, tls: ssl.SSLContext | None) -> None:
        self.behaviour = behaviour
        self.received: list[Received] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # "::" stands for every address of this host, IPv4 and IPv6.
        self._listener = socket.create_server((host, 0), family=family, backlog=256, dualstack_ipv6=host == "::")
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url(self, path: str = "/") -> str:
        """Return a URL of it on 127.0.0.1."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"

    def stop(self) -> None:
        """Stop listening; behaviours that wait for `stopping` end."""
        self.stopping.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(30)
                served = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
                with served:
                    received = _read(served)
                    if received is not None:
                        self.received.append(received)
                        self.behaviour(served, received)
        except OSError:
            # The client went away, which is what some tests are about.
            pass


@contextmanager
def partner(
    behaviour: Behaviour | None = None, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[Partner]:
    """Run a partner; it answers 200 unless told otherwise."""
    running = Partner(behaviour or answering(), host, tls)
    try:
        yield running
    finally:
        running.stop()


def _read(connection: socket.socket) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    method, path, _ = first.split(" ", 2)
    return Received(method, path, headers, body)
