"""Visitors that click on and on, over connections of their own, and tell a failed request from a closed idle one."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter

from bare_edge import HOST, SLUG
from waiting import wait_until

_CLICK_ID = re.compile(rb"(?i)^x-waypost-click-id: (\S+)", re.MULTILINE)
_REQUEST = f"GET /click/{SLUG}?sub1=load HTTP/1.1\r\nHost: {HOST}\r\n".encode()
_TIMEOUT_S = 15


class SteadyLoad:
    """Requests at a steady pace from some threads; `keep_alive` decides whether connections are used again.

    A request on a used connection that the server closed before a byte of the answer is sent once more on a new one, as
    browsers and proxies do, and counted in `retried`. `refused` are new connections that nobody accepted. So are those
    in `reset`, which the kernel had queued for a listener that was closed: it ends them without a byte.
    """

    def __init__(self, port: int, *, keep_alive: bool, threads: int = 4, pace_s: float = 0.005) -> None:
        self._port = port
        self._keep_alive = keep_alive
        self._threads = threads
        self._pace_s = pace_s
        self._stopped = threading.Event()
        self.click_ids: list[str] = []
        self.latencies_s: list[float] = []
        self.failed: list[str] = []
        self.refused = 0
        self.reset = 0
        self.retried = 0

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Keep clicking inside the block."""
        with ThreadPoolExecutor(self._threads) as pool:
            lanes = [pool.submit(self._flow) for _ in range(self._threads)]
            try:
                yield
            finally:
                self._stopped.set()
        for lane in lanes:
            lane.result()

    def await_more(self, count: int, timeout_s: float = 60) -> None:
        """Return once that many more clicks were answered."""
        wanted = len(self.click_ids) + count
        wait_until(lambda: len(self.click_ids) >= wanted, timeout_s, f"{count} more clicks to be answered")

    def _flow(self) -> None:
        connection: socket.socket | None = None
        # The pause sets the pace of the load; nothing waits for it.
        while not self._stopped.wait(self._pace_s):
            used = connection is not None
            started = perf_counter()
            try:
                connection, answer = self._ask(connection)
                if not answer and used:
                    self.retried += 1
                    connection, answer = self._ask(None)
            except ConnectionRefusedError:
                self.refused += 1
                connection = None
                continue
            found = _CLICK_ID.search(answer)
            if answer.startswith(b"HTTP/1.1 302") and found:
                self.click_ids.append(found[1].decode())
                self.latencies_s.append(perf_counter() - started)
            elif not answer:
                self.reset += 1
            else:
                self.failed.append(f"{answer[:80]!r} after {perf_counter() - started:.3f} s")
        if connection is not None:
            connection.close()

    def _ask(self, connection: socket.socket | None) -> tuple[socket.socket | None, bytes]:
        """Return the connection if it can be used again, and the answer, empty where there was none."""
        connection = connection or socket.create_connection(("127.0.0.1", self._port), timeout=_TIMEOUT_S)
        answer = b""
        try:
            connection.sendall(_REQUEST + (b"\r\n" if self._keep_alive else b"Connection: close\r\n\r\n"))
            while b"\r\n\r\n" not in answer and (more := connection.recv(65536)):
                answer += more
        except OSError:
            answer = b""
        header = answer.partition(b"\r\n\r\n")[0].lower()
        if not answer or not self._keep_alive or b"connection: close" in header:
            connection.close()
            return None, answer
        # Redirects of the edge have no body; anything with one is not worth a second use.
        if b"content-length: 0" not in header and header.startswith(b"http/1.1 302") is False:
            connection.close()
            return None, answer
        return connection, answer
