"""QR codes of links."""

from __future__ import annotations

import struct
from xml.etree import ElementTree as ET

from admin_api.bulk_links.qr_codes import QrQuery, qr_code
from admin_client import AdminClient


def test_a_link_has_a_qr_code_as_svg_and_as_png(admin: AdminClient) -> None:
    link = admin.link(admin.merchant(), slug="abc", profile_id=admin.profile()["profile_id"])
    path = f"/v1/links/{link['link_id']}"
    svg = admin.request("GET", f"{path}/qr.svg?size=300")
    assert svg.headers["content-type"] == "image/svg+xml"
    root = ET.fromstring(svg.content)
    assert abs(float(root.attrib["width"]) - 300) < 1
    png = admin.request("GET", f"{path}/qr.png?size=300&error_correction=H&border=0")
    assert png.headers["content-type"] == "image/png"
    assert png.content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png.content[16:24])
    assert width == height
    assert 200 <= width <= 300
    assert png.content == qr_code(link["url"], "png", QrQuery(size=300, border=0, error_correction="H"))
    assert png.content != qr_code(link["url"] + "x", "png", QrQuery(size=300, border=0, error_correction="H"))


def test_a_size_beyond_the_limits_and_an_unknown_link_are_refused(admin: AdminClient) -> None:
    link = admin.link(admin.merchant())
    for query in ("size=99", "size=2001", "size=x", "error_correction=X", "border=21", "colour=red"):
        assert admin.request("GET", f"/v1/links/{link['link_id']}/qr.svg?{query}").status_code == 400
    assert admin.request("GET", "/v1/links/999/qr.png").status_code == 404
