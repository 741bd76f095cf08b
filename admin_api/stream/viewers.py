"""The viewers of this process, and the queue of each. Everything here runs in the event loop's thread.

A viewer that reads too slowly is dropped with a reason, so that it costs no memory. It resumes by its position.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from secrets import randbelow

from falcon.asgi import SSEvent
from falcon.media import BaseHandler

from admin_api.runtime import Actor
from admin_api.stream.rounds import Round, event_bytes
from admin_api.stream.selection import EventType, Selection

QUEUED_ROUNDS_MAX = 120
QUEUED_BYTES_MAX = 1 << 20
HEARTBEAT_S = 15.0
CUT_S = 10.0


class Piece(SSEvent):
    """Bytes that are events already: viewers with equal selections share them."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._bytes = data

    def serialize(self, handler: BaseHandler | None = None) -> bytes:
        """Return the bytes."""
        return self._bytes


@dataclass(frozen=True, slots=True)
class Credential:
    """What a viewer proved itself with: the header Authorization, or if there is none the cookies of its session."""

    authorization: str | None
    cookies: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class Viewer:
    """An open stream: `joined_at` is where its queue begins, `position` where it ends, `ended` why it was dropped."""

    selection: Selection
    credential: Credential
    actor: Actor
    joined_at: str
    position: str
    queue: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    queued_bytes: int = 0
    ended: str = ""
    task: asyncio.Task[None] | None = None

    def put(self, data: bytes) -> None:
        """Queue events, or drop the viewer if too much waits for it."""
        if self.ended:
            return
        if self.queue.qsize() >= QUEUED_ROUNDS_MAX or self.queued_bytes + len(data) > QUEUED_BYTES_MAX:
            self.end("slow")
            return
        self.queued_bytes += len(data)
        self.queue.put_nowait(data)

    def end(self, reason: str) -> None:
        """Say why, and send nothing more. What waited is not sent: the viewer resumes from the last it was sent."""
        if self.ended:
            return
        self.ended = reason
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(event_bytes("end", {"reason": reason}))
        if self.task is not None:
            # Who reads nothing at all would never be told, and the connection would stay as it is.
            self.task.get_loop().call_later(CUT_S, self.task.cancel)


class Viewers:
    """All viewers, and the position that the last round left them at."""

    def __init__(self, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._viewers: set[Viewer] = set()
        self._heartbeat_s = heartbeat_s
        self._meter = b""
        self.position = ""
        self.opened = 0
        self.dropped: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._viewers)

    def all(self) -> list[Viewer]:
        """Return the viewers there are now. The follower's thread may ask: a set is copied in one step."""
        return list(self._viewers)

    def add(self, selection: Selection, credential: Credential, actor: Actor) -> Viewer:
        """Add a viewer. It gets all rounds from now on."""
        viewer = Viewer(selection, credential, actor, self.position, self.position)
        self._viewers.add(viewer)
        self.opened += 1
        if self._meter and EventType.LOSS_METER in selection.types:
            viewer.put(self._meter)
        return viewer

    def remove(self, viewer: Viewer) -> None:
        """Forget a viewer that did not come to be sent anything."""
        self._viewers.discard(viewer)

    def publish(self, done: Round) -> None:
        """Give every viewer what its selection takes of a round."""
        self.position = done.position
        for viewer in self._viewers:
            viewer.position = done.position
            data = done.bytes_for(viewer.selection)
            if data:
                viewer.put(data)

    def skip_to(self, position: str) -> None:
        """Pass over what was stored while nobody watched. RACE: who came since that was asked stays at the old one."""
        if not self._viewers:
            self.position = position

    def show_meter(self, meter: bytes) -> None:
        """Give the loss meter to all who may see it, and to those who come later."""
        self._meter = meter
        for viewer in self._viewers:
            if EventType.LOSS_METER in viewer.selection.types:
                viewer.put(meter)

    async def events(self, viewer: Viewer, before: bytes) -> AsyncIterator[SSEvent]:
        """Yield what `before` has, then all that is queued for a viewer, until it is dropped or goes."""
        # An id without data moves the viewer's position and is no event to it. It comes last, so that a viewer that is
        # cut off before gets everything again. After a restart not all come back in the same second.
        retry = f"retry: {500 + randbelow(2000)}\n\n".encode()
        viewer.task = asyncio.current_task()
        try:
            yield Piece(retry + before + _moved(viewer.joined_at))
            while True:
                try:
                    data = await asyncio.wait_for(viewer.queue.get(), self._heartbeat_s)
                except TimeoutError:
                    if not viewer.queue.empty():
                        continue
                    data = b": heartbeat\n" + _moved(viewer.position)
                else:
                    viewer.queued_bytes -= len(data)
                yield Piece(data)
                if viewer.ended and viewer.queue.empty():
                    return
        finally:
            self._viewers.discard(viewer)
            if viewer.ended:
                self.dropped[viewer.ended] = self.dropped.get(viewer.ended, 0) + 1


def _moved(position: str) -> bytes:
    return b"id: " + position.encode() + b"\n\n"
