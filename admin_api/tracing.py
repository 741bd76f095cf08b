"""WSGI middleware that makes a span of each request, where traces are wanted. The app inside says which route it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from config.tracing import request_span

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# Where Falcon's middleware notes the pattern of the route.
ROUTE = "waypost.route"


class TracedApp:
    """An app with a span around each request. A streamed body is sent after the span's end.

    SECURITY: neither query, nor headers, nor bodies are noted: they may hold tokens and what identifies visitors.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the app does."""
        method = environ["REQUEST_METHOD"]
        parents = {"traceparent": environ["HTTP_TRACEPARENT"]} if "HTTP_TRACEPARENT" in environ else {}
        with request_span(parents, {"http.request.method": method}) as made:

            def answer(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> object:
                route = environ.get(ROUTE) or "none"
                made.update_name(f"{method} {route}")
                made.set_attribute("http.route", route)
                made.set_attribute("http.response.status_code", int(status.split(maxsplit=1)[0]))
                return start_response(status, headers)

            return self._app(environ, answer)  # type: ignore[arg-type]
