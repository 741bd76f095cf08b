"""The public URL of a link as a QR code."""

from __future__ import annotations

import io
from typing import Annotated, Literal

import falcon
import segno
from pydantic import Field

from admin_api.configuration import LINKS
from admin_api.http import Query, converted, operation, parse_number
from admin_api.resources import Addresses, load_one
from admin_api.runtime import Pool


class QrQuery(Query):
    """How a QR code looks."""

    size: Annotated[int, Field(ge=100, le=2000), converted(parse_number)] = 400
    """Its width in pixels. A PNG is up to this wide, since its squares are whole pixels."""
    border: Annotated[int, Field(ge=0, le=20), converted(parse_number)] = 4
    """The width of its quiet border, in squares. Scanners expect 4."""
    error_correction: Literal["L", "M", "Q", "H"] = "M"
    """How much of it may be unreadable: 7 % (L), 15 % (M), 25 % (Q) or 30 % (H)."""


def qr_code(url: str, kind: str, query: QrQuery) -> bytes:
    """Return the image of a URL: `svg` or `png`."""
    code = segno.make_qr(url, error=query.error_correction, boost_error=False)
    width, _ = code.symbol_size(border=query.border)
    scale = query.size / width
    image = io.BytesIO()
    code.save(image, kind=kind, scale=max(1, int(scale)) if kind == "png" else scale, border=query.border)
    return image.getvalue()


class LinkQrCode:
    """A link's QR code."""

    def __init__(self, pool: Pool, addresses: Addresses) -> None:
        self._pool = pool
        self._addresses = addresses

    def image(self, link_id: int, kind: str, query: QrQuery) -> bytes:
        """Return the image, or raise NotFoundError."""
        with self._pool.connection() as database:
            row = load_one(database, LINKS, link_id)
        return qr_code(self._addresses.link_url(row["domain"], row["slug"]), kind, query)


class LinkSvg(LinkQrCode):
    """A link's QR code as SVG."""

    @operation("Show a link's QR code as SVG", produces="image/svg+xml")
    def on_get(self, req: falcon.Request, resp: falcon.Response, link_id: int, query: QrQuery) -> None:
        """The code holds the public URL of the link."""
        resp.content_type = "image/svg+xml"
        resp.data = self.image(link_id, "svg", query)


class LinkPng(LinkQrCode):
    """A link's QR code as PNG."""

    @operation("Show a link's QR code as PNG", produces="image/png")
    def on_get(self, req: falcon.Request, resp: falcon.Response, link_id: int, query: QrQuery) -> None:
        """The code holds the public URL of the link."""
        resp.content_type = "image/png"
        resp.data = self.image(link_id, "png", query)
