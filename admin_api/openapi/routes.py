"""The routes of the documentation."""

from __future__ import annotations

from collections.abc import Sequence

import falcon
import orjson

from admin_api.http import Route, operation
from admin_api.openapi.document import build_document
from admin_api.openapi.page import DOCUMENT_PATH, page_routes


class OpenApiDocument:
    """The OpenAPI document, which is built once, when the process starts."""

    def __init__(self) -> None:
        self._json = b""

    @operation("Get this document", open=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The document is OpenAPI 3.1. It comes from the same declarations by which requests are read."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._json

    def describe(self, routes: Sequence[Route]) -> None:
        """Build the document of these routes."""
        self._json = orjson.dumps(build_document(routes))


def documented(routes: Sequence[Route]) -> list[Route]:
    """Return the routes together with those of the documentation, which also documents itself."""
    document = OpenApiDocument()
    every = [*routes, Route(DOCUMENT_PATH, document), *page_routes()]
    document.describe(every)
    return every
