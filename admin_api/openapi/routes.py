"""The routes of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import falcon
import orjson

from admin_api.http import Route, operation
from admin_api.openapi.document import build_document
from admin_api.openapi.page import DOCUMENT_PATH, page_routes


class OpenApiDocument:
    """The OpenAPI document, which is built when it is first asked for: that takes a fifth of a second."""

    def __init__(self) -> None:
        self._routes: Sequence[Route] = ()

    @operation("Get this document", open=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The document is OpenAPI 3.1. It comes from the same declarations by which requests are read."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._json

    def describe(self, routes: Sequence[Route]) -> None:
        """Say which routes it is of."""
        self._routes = routes

    @cached_property
    def _json(self) -> bytes:
        # RACE: two first requests build the same document twice.
        return orjson.dumps(build_document(self._routes))


def documented(routes: Sequence[Route]) -> list[Route]:
    """Return the routes together with those of the documentation, which also documents itself."""
    document = OpenApiDocument()
    every = [*routes, Route(DOCUMENT_PATH, document), *page_routes()]
    document.describe(every)
    return every
