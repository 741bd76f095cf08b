"""GET /v1/stream: opens a stream. It answers in an event loop, so that an open stream holds no thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import falcon
import falcon.asgi
from psycopg.errors import InvalidTextRepresentation

from admin_api.http import SESSION_COOKIE, AuthenticationError, ForbiddenError
from admin_api.runtime import Actor, Pool
from admin_api.stream.notes import is_position
from admin_api.stream.rounds import CLICKS_SHOWN_RESUMED, gap_bytes, load_round
from admin_api.stream.selection import Selection, select
from admin_api.stream.viewers import Credential, Viewers

VIEWERS_MAX = 5000
# What asks the database for a viewer that comes: so many threads, however many viewers come at once.
OPENING_THREADS = 2
Identify = Callable[[Credential], Actor | None]


class Stream:
    """The stream as a resource."""

    def __init__(self, pool: Pool, viewers: Viewers, identify: Identify, admin_port: int) -> None:
        self._pool = pool
        self._viewers = viewers
        self._identify = identify
        self._admin_port = admin_port
        self._threads = ThreadPoolExecutor(OPENING_THREADS, thread_name_prefix="opening")

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with events until the viewer goes. Raises AuthenticationError, FieldError and ForbiddenError."""
        self._allow_origin(req, resp)
        credential = Credential(req.get_header("Authorization"), tuple(req.get_cookie_values(SESSION_COOKIE) or ()))
        if credential.authorization is None and req.get_header("Sec-Fetch-Site") == "cross-site":
            raise ForbiddenError("a page of another site may not open a stream")
        loop = asyncio.get_running_loop()
        actor = await loop.run_in_executor(self._threads, self._identify, credential)
        if actor is None:
            raise AuthenticationError("this API token or session is unknown, expired or revoked")
        selection = select(actor, {name: ",".join(_list(value)) for name, value in req.params.items()})
        if len(self._viewers) >= VIEWERS_MAX or not self._viewers.position:
            raise falcon.HTTPServiceUnavailable(
                description="the stream takes no more viewers now, or PostgreSQL is away", retry_after=2
            )
        viewer = self._viewers.add(selection, credential, actor)
        seen = req.get_header("Last-Event-ID")
        try:
            missed = (
                b""
                if not seen
                else await loop.run_in_executor(self._threads, self._missed, seen, viewer.joined_at, selection)
            )
        except BaseException:
            self._viewers.remove(viewer)
            raise
        # So says nginx that it is not to collect events before it passes them on.
        resp.set_header("X-Accel-Buffering", "no")
        resp.set_header("Cache-Control", "no-store")
        resp.content_type = "text/event-stream; charset=utf-8"
        resp.sse = self._viewers.events(viewer, missed)

    def _missed(self, seen: str, position: str, selection: Selection) -> bytes:
        """Return what a viewer missed from where it was to where it joined."""
        if not is_position(seen):
            return gap_bytes("unknown", position)
        try:
            with self._pool.connection() as database:
                return load_round(database, seen, position, CLICKS_SHOWN_RESUMED).bytes_for(selection)
        except InvalidTextRepresentation:
            # PostgreSQL knows more about its snapshots than is checked above.
            return gap_bytes("unknown", position)

    def _allow_origin(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Let the admin's own pages read the stream where it has a port of its own: same scheme and host, admin's port.

        SECURITY: a page of any other origin gets no CORS header, so that no browser lets it read.
        """
        origin = req.get_header("Origin")
        if origin is None:
            return
        resp.append_header("Vary", "Origin")
        try:
            asked = urlsplit(origin)
            admins = asked.hostname == req.host and asked.port == self._admin_port and asked.scheme in ("http", "https")
        except ValueError:
            return
        if admins:
            resp.set_header("Access-Control-Allow-Origin", origin)
            resp.set_header("Access-Control-Allow-Credentials", "true")


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
