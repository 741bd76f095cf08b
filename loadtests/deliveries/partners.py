"""Fifty healthy partners and a dead one, in one process: each an address of its own on loopback, all on one port.

`python -m loadtests.deliveries.partners LATENCY_MS` prints its two ports, answers until its input is closed, and then
prints when each delivery arrived: a line of JSON, id to Unix seconds.
"""

from __future__ import annotations

import asyncio
import sys
from time import time

import orjson

HEALTHY_NETWORK = "127.51.0"
DEAD_ADDRESS = "127.52.0.1"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_ID_CHARACTERS = 36


def main(latency_ms: float) -> None:
    """Serve until standard input ends."""
    asyncio.run(_serve(latency_ms / 1000))


async def _serve(latency_s: float) -> None:
    arrived: dict[str, float] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        arrived.setdefault(head.partition(b"id=")[2][:_ID_CHARACTERS].decode(), time())
        await asyncio.sleep(latency_s)
        writer.write(_ANSWER)
        writer.close()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    healthy = await asyncio.start_server(answer, "0.0.0.0", 0, backlog=1024)  # noqa: S104
    dead = await asyncio.start_server(never, DEAD_ADDRESS, 0, backlog=1024)
    sys.stdout.write(f"{healthy.sockets[0].getsockname()[1]} {dead.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    sys.stdout.buffer.write(orjson.dumps(arrived) + b"\n")
    sys.stdout.flush()
    # Connections to the dead partner are still open; nothing waits for them.
    healthy.close()
    dead.close()


if __name__ == "__main__":
    main(float(sys.argv[1]))
