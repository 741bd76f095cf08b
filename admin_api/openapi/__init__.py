"""The API's own documentation: the OpenAPI document and the page /docs."""

from __future__ import annotations

from admin_api.openapi.document import build_document
from admin_api.openapi.page import DOCUMENT_PATH, PAGE_PATH
from admin_api.openapi.routes import documented

__all__ = ["DOCUMENT_PATH", "PAGE_PATH", "build_document", "documented"]
