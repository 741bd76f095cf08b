"""The page /docs, which shows the OpenAPI document in Swagger UI. An installed package provides all of its files."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import falcon

from admin_api.http import NotFoundError, Route, add_operation, operation

DOCUMENT_PATH = "/v1/openapi.json"
PAGE_PATH = "/docs"
# Kept apart from the other packages: the wheel asks for Flask, which nothing here uses.
_UNPACKED = Path(sys.prefix) / "swagger-ui"
_PACKAGE = "flask_swagger_ui"
_START = "start.js"
_FILES = MappingProxyType(
    {
        "swagger-ui.css": "text/css; charset=utf-8",
        "index.css": "text/css; charset=utf-8",
        "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
        "favicon-32x32.png": "image/png",
        _START: "text/javascript; charset=utf-8",
    }
)
# SECURITY: whatever a description contains, the page only runs scripts of this origin and only talks to it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Waypost admin API</title>
<link rel="stylesheet" href="{PAGE_PATH}/swagger-ui.css">
<link rel="stylesheet" href="{PAGE_PATH}/index.css">
<link rel="icon" type="image/png" href="{PAGE_PATH}/favicon-32x32.png">
</head>
<body>
<noscript>This page needs JavaScript. The document is at <a href="{DOCUMENT_PATH}">{DOCUMENT_PATH}</a>.</noscript>
<div id="swagger-ui"></div>
<script src="{PAGE_PATH}/swagger-ui-bundle.js"></script>
<script src="{PAGE_PATH}/{_START}"></script>
</body>
</html>
"""
_START_SCRIPT = f"""SwaggerUIBundle({{
  url: "{DOCUMENT_PATH}",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
}});
"""


class DocsPage:
    """The page itself."""

    @operation("Read this document in a browser", open=True, produces=falcon.MEDIA_HTML)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Swagger UI, in which every operation can be tried with an API token."""
        resp.content_type = "text/html; charset=utf-8"
        resp.set_header("Content-Security-Policy", _POLICY)
        resp.text = _PAGE


class DocsAsset:
    """A file that the page needs."""

    def __init__(self, file: str, media_type: str) -> None:
        self._file = file
        self._media_type = media_type
        produces = media_type.partition(";")[0]
        add_operation(
            self, "get", DocsAsset.send, f"Get {file}", open=True, produces=produces, not_found=("not-found",)
        )

    def send(self, req: falcon.Request, resp: falcon.Response) -> None:
        """A file of the page /docs, as Swagger UI's package ships it."""
        resp.content_type = self._media_type
        if self._file == _START:
            resp.text = _START_SCRIPT
            return
        path = swagger_ui() / self._file
        if not path.is_file():
            raise NotFoundError("Swagger UI is not installed; run bin/setup")
        resp.data = path.read_bytes()


def page_routes() -> list[Route]:
    """Return the routes of the page and its files."""
    return [
        Route(PAGE_PATH, DocsPage()),
        *(Route(f"{PAGE_PATH}/{file}", DocsAsset(file, media_type)) for file, media_type in _FILES.items()),
    ]


def swagger_ui() -> Path:
    """Return the directory of Swagger UI's files. It may not exist."""
    unpacked = _UNPACKED / _PACKAGE / "dist"
    if unpacked.is_dir():
        return unpacked
    spec = find_spec(_PACKAGE)
    return Path(spec.submodule_search_locations[0]) / "dist" if spec and spec.submodule_search_locations else unpacked
