"""Server-sent events as a browser reads them, and a client that opens many streams over plain sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson


class ServerEvent(NamedTuple):
    """One event. `position` is the id that came with it, or None."""

    name: str
    data: Any
    position: str | None


def parse_events(text: bytes) -> Iterator[ServerEvent]:
    """Yield the events of complete blocks. A block without data is no event."""
    for block in text.split(b"\n\n"):
        fields: dict[str, list[str]] = {}
        for line in block.decode().split("\n"):
            name, _, value = line.partition(": ")
            if name and not line.startswith(":"):
                fields.setdefault(name, []).append(value)
        if "data" in fields:
            (position,) = fields.get("id", [None])
            (name,) = fields.get("event", ["message"])
            yield ServerEvent(name, orjson.loads("\n".join(fields["data"])), position)


@dataclass
class EventStream:
    """An open stream. `events` has what came so far, `position` what a browser would resume from."""

    status: int
    headers: Mapping[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    position: str | None = None
    events: list[ServerEvent] = field(default_factory=list)
    ended: bool = False
    # Events that came and were not asked for yet, each with the position that comes with or after it.
    waiting: list[tuple[ServerEvent, str | None]] = field(default_factory=list)
    rest: bytes = b""

    async def block(self) -> bytes:
        """Return the next block, empty when the stream has ended."""
        while True:
            try:
                size = int((await self.reader.readuntil(b"\r\n")).strip() or b"0", 16)
                piece = await self.reader.readexactly(size + 2)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.ended = True
                return b""
            if not size:
                self.ended = True
                return b""
            return piece[:-2]

    async def next(self) -> ServerEvent | None:
        """Return the next event, or None when the stream has ended."""
        while not self.waiting:
            piece = await self.block()
            if not piece:
                return None
            *blocks, self.rest = (self.rest + piece).split(b"\n\n")
            for each in blocks:
                position = [line[4:].decode() for line in each.split(b"\n") if line.startswith(b"id: ")]
                self.waiting += [(event, None) for event in parse_events(each)]
                if position and self.waiting:
                    self.waiting[-1] = (self.waiting[-1][0], position[0])
                elif position:
                    self.position = position[0]
        event, moved = self.waiting.pop(0)
        self.position = moved or self.position
        self.events.append(event)
        return event

    async def until(self, name: str, timeout_s: float = 20) -> ServerEvent:
        """Return the next event of a name."""
        async with asyncio.timeout(timeout_s):
            while (event := await self.next()) is not None:
                if event.name == name:
                    return event
        raise AssertionError(f"the stream ended before {name}; it had {self.events[-3:]}")

    def close(self) -> None:
        """Go."""
        self.writer.close()


async def open_stream(port: int, token: str, query: str = "", **headers: str) -> EventStream:
    """Open a stream of this machine. Header names are given with underscores."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    sent = {"Host": f"127.0.0.1:{port}", "Authorization": f"ApiKey {token}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
    writer.write(f"GET /v1/stream{query} HTTP/1.1\r\n{lines}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    answered = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return EventStream(int(head[0].split()[1]), answered, reader, writer)
