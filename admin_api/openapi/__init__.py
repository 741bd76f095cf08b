"""The API's own documentation: the OpenAPI document and the page /docs."""

from __future__ import annotations

from admin_api.openapi.document import build_document
from admin_api.openapi.routes import documented

__all__ = ["build_document", "documented"]
