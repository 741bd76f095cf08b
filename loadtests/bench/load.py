"""Load on one core: wrk for throughput, and a paced client of our own for latency, since wrk knows no pace."""

from __future__ import annotations

import gc
import random
import re
import select
import socket
import subprocess
from collections import deque
from pathlib import Path
from time import perf_counter

from loadtests.bench.findings import PLAIN
from loadtests.bench.mirrors import HOST

LOAD_CORE = 1
UNIFORM, SKEWED = "uniform", "skewed"
_CONNECTIONS = 32
# Coprime with every number of links used, so that the links in demand lie scattered among the others.
_SCATTER = 7919
_SCRIPT = """
math.randomseed(1)
request = function()
  local rank = {rank}
  return wrk.format("GET", "/click/link" .. (rank * {scatter} % {links} + 1) .. "?sub1=a&sub2=b")
end
"""
# Uniform is the hardest mix for whatever remembers. Skewed is Zipf's law with exponent 1: the second link is asked for
# half as often as the first, the third a third, and so on.
_RANK = {UNIFORM: "math.random({links})", SKEWED: "math.floor(({links} + 1) ^ math.random())"}


def throughput(port: int, mix: tuple[int, str], seconds: int, home: Path) -> float:
    """Return answers a second over 32 kept connections, as fast as the server goes. `mix`: how many links, and how."""
    links, kind = mix
    if links == 1:
        # A script makes wrk slower than nginx: none where all requests may be equal.
        return throughput_of_link(port, PLAIN, seconds)
    script = home / f"{kind}-{links}.lua"
    script.write_text(_SCRIPT.format(rank=_RANK[kind].format(links=links), links=links, scatter=_SCATTER))
    return _rate(port, PLAIN, seconds, ["-s", str(script)])


def throughput_of_link(port: int, slug: str, seconds: int) -> float:
    """Return answers a second for one link alone."""
    return _rate(port, slug, seconds, [])


def _rate(port: int, slug: str, seconds: int, script: list[str]) -> float:
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", *script]
    command += ["-H", f"Host: {HOST}", f"http://127.0.0.1:{port}/click/{slug}?sub1=a&sub2=b"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # wrk counts any answer but 2xx and 3xx apart; a server that refuses quickly must not win.
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    if "Non-2xx" in output or found is None:
        raise RuntimeError(f"wrk was refused or printed no rate:\n{output}")
    return float(found[1])


def paced_latencies(port: int, rate: float, seconds: float, links: int) -> list[float]:
    """Send `rate` requests a second, whatever the server does; return each answer's milliseconds since it was due.

    Counting from the moment a request was due keeps a stall from hiding the requests that waited behind it: the
    server's, the machine's and this client's own alike. Links are asked for at random, all equally likely.
    """
    total = int(rate * seconds)
    requests = [
        f"GET /click/link{random.randint(1, links)}?sub1=a&sub2=b HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        for _ in range(total)
    ]
    # PERF: epoll by itself, and nothing made in the loop that can be made before: nginx is asked 30,000 times a second.
    poll = select.epoll()
    connections: dict[int, socket.socket] = {}
    for _ in range(_CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[connection.fileno()] = connection
        poll.register(connection, select.EPOLLIN)
    idle = deque(connections)
    due_of: dict[int, float] = {}
    latencies: list[float] = []
    sent = 0
    gc.disable()
    began = perf_counter()
    try:
        while len(latencies) < total:
            now = perf_counter()
            while sent < total and idle and began + sent / rate <= now:
                number = idle.popleft()
                due_of[number] = began + sent / rate
                connections[number].sendall(requests[sent])
                sent += 1
            for number, _ in poll.poll(_pause(began + sent / rate) if idle and sent < total else 1.0):
                answer = connections[number].recv(4096)
                if not answer.startswith(b"HTTP/1.1 302"):
                    raise RuntimeError(f"the server answered {answer[:80]!r}")
                latencies.append((perf_counter() - due_of.pop(number)) * 1000)
                idle.append(number)
    finally:
        gc.enable()
        poll.close()
        for connection in connections.values():
            connection.close()
    return latencies


def _pause(until: float) -> float:
    """Return the seconds to wait. epoll rounds up to a millisecond, so a shorter wait is none: the client has a core
    for itself.
    """
    seconds = until - perf_counter()
    return seconds if seconds > 0.002 else 0.0
