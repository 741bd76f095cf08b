"""The stream's Falcon app, built from its collaborators, and its life within the server's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import falcon
import falcon.asgi
from redis import Redis

from admin_api.http import handle_error, load_actor, load_session_actor, parse_authorization
from admin_api.runtime import Actor, Pool
from admin_api.stream.follower import Follower
from admin_api.stream.process import Livez, Metrics, Readyz, StreamCollector
from admin_api.stream.resource import Stream
from admin_api.stream.viewers import Credential, Viewers

AsgiApp = Callable[..., Awaitable[None]]
App = falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]


@dataclass(frozen=True, slots=True)
class StreamParts:
    """What the app works with. `admin_port` is part of the only origin that may read it from another port."""

    pool: Pool
    redis: Redis
    admin_port: int
    viewers: Viewers = field(default_factory=Viewers)


class Life:
    """Falcon middleware: the follower runs while the server does, and its end ends all streams."""

    def __init__(self, parts: StreamParts, follower: Follower) -> None:
        self._parts = parts
        self._follower = follower

    async def process_startup(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Begin to read."""
        self._follower.start(asyncio.get_running_loop())

    async def process_shutdown(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Close what the streams used. A server that still has streams is ended without this: they only read."""
        await asyncio.to_thread(self._follower.stop)
        self._parts.pool.close()
        self._parts.redis.close()


class Cuttable:
    """ASGI middleware: a stream that is cut off, since its viewer reads nothing, just ends. It is no fault to log."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Serve as the app does."""
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise


def create_stream_app(parts: StreamParts) -> App:
    """Return the ASGI app."""
    identify = partial(identify_viewer, parts.pool)
    follower = Follower(parts.pool, parts.redis, parts.viewers, identify)
    app: App = falcon.asgi.App(middleware=[Life(parts, follower)])
    app.req_options.strip_url_path_trailing_slash = True
    for kind in (Exception, falcon.HTTPError):
        app.add_error_handler(kind, _handle_error)
    app.add_route("/v1/stream", Stream(parts.pool, parts.viewers, identify, parts.admin_port))
    app.add_route("/livez", Livez())
    app.add_route("/readyz", Readyz(parts.viewers, follower))
    app.add_route("/metrics", Metrics(StreamCollector(parts.viewers, follower)))
    return app


def identify_viewer(pool: Pool, credential: Credential) -> Actor | None:
    """Return who a viewer is, or None if its token or session is no longer valid. Raises AuthenticationError."""
    if credential.authorization is None and credential.cookies:
        with pool.connection() as database:
            return load_session_actor(database, credential.cookies)
    token = parse_authorization(credential.authorization or "")
    with pool.connection() as database:
        return load_actor(database, token)


async def _handle_error(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Exception, params: dict[str, Any]
) -> None:
    handle_error(req, resp, error, params)
