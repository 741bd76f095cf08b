"""Many viewers in one process: each reads its stream over a socket of its own, and notes how late events come."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from time import time

_STORED = b'"stored_at":"'
_OPENED_AT_ONCE = 50
_READ_BYTES = 1 << 16


@dataclass
class Crowd:
    """What viewers have got so far. `late_s` is, of each round and viewer, how old its newest click was."""

    opened: int = 0
    refused: int = 0
    ended: int = 0
    bytes: int = 0
    clicks: int = 0
    late_s: list[float] = field(default_factory=list)


async def watch(port: int, token: str, count: int, crowd: Crowd, until: asyncio.Event) -> None:
    """Open streams and read them until the event is set."""
    readers = []
    for begin in range(0, count, _OPENED_AT_ONCE):
        some = range(begin, min(count, begin + _OPENED_AT_ONCE))
        readers += await asyncio.gather(*(_open(port, token, crowd) for _ in some))
    tasks = [asyncio.create_task(_read(*each, crowd)) for each in readers if each is not None]
    await until.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _open(port: int, token: str, crowd: Crowd) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET /v1/stream?types=click HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ApiKey {token}\r\n\r\n"
    writer.write(request.encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        crowd.refused += 1
        writer.close()
        return None
    crowd.opened += 1
    return reader, writer


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, crowd: Crowd) -> None:
    try:
        while data := await reader.read(_READ_BYTES):
            crowd.bytes += len(data)
            crowd.clicks += data.count(b"event: click")
            at = data.rfind(_STORED)
            if at >= 0:
                crowd.late_s += [time() - stored for stored in _moments(data[at + len(_STORED) :])]
        crowd.ended += 1
    finally:
        writer.close()


def _moments(text: bytes) -> list[float]:
    """Return the Unix seconds that a text begins with, none if it is cut off before its end."""
    moment, quote, _ = text[:40].partition(b'"')
    return [datetime.fromisoformat(moment.decode()).timestamp()] if quote else []
