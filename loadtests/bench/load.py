"""Load on one core: wrk for throughput, and a paced client of our own for latency, since wrk knows no pace."""

from __future__ import annotations

import random
import re
import selectors
import socket
import subprocess
from collections import deque
from pathlib import Path
from time import perf_counter

from loadtests.bench.mirrors import HOST

LOAD_CORE = 1
_CONNECTIONS = 32
# Each request names one of `links` links, all equally likely: the hardest mix for whatever remembers.
_SCRIPT = """
math.randomseed(1)
request = function()
  return wrk.format("GET", "/click/link" .. math.random({links}) .. "?sub1=a&sub2=b")
end
"""


def throughput(port: int, links: int, seconds: int, home: Path) -> float:
    """Return answers a second over 32 kept connections, as fast as the server goes."""
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s"]
    command += ["-H", f"Host: {HOST}", f"http://127.0.0.1:{port}/click/link1?sub1=a&sub2=b"]
    if links > 1:
        # A script makes wrk slower than nginx: none where all requests may be equal.
        script = home / f"links-{links}.lua"
        script.write_text(_SCRIPT.format(links=links))
        command[-1:-1] = ["-s", str(script)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # wrk counts any answer but 2xx and 3xx apart; a server that refuses quickly must not win.
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    if "Non-2xx" in output or found is None:
        raise RuntimeError(f"wrk was refused or printed no rate:\n{output}")
    return float(found[1])


def paced_latencies(port: int, rate: float, seconds: float, links: int) -> list[float]:
    """Send `rate` requests a second, whatever the server does; return each answer's milliseconds since it was due.

    Counting from the moment a request was due keeps a stall from hiding the requests that waited behind it.
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
    sent, total = 0, int(rate * seconds)
    while len(latencies) < total:
        now = perf_counter()
        while sent < total and idle and began + sent / rate <= now:
            connection = idle.popleft()
            due_of[connection] = began + sent / rate
            target = f"GET /click/link{random.randint(1, links)}?sub1=a&sub2=b"
            connection.sendall(f"{target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            sent += 1
        pause = began + sent / rate - perf_counter() if idle and sent < total else 1.0
        for key, _ in selector.select(max(0.0, pause)):
            connection = key.fileobj  # type: ignore[assignment]
            answer = connection.recv(4096)
            if not answer.startswith(b"HTTP/1.1 302"):
                raise RuntimeError(f"the server answered {answer[:80]!r}")
            latencies.append((perf_counter() - due_of.pop(connection)) * 1000)
            idle.append(connection)
    for connection in idle:
        connection.close()
    return latencies
