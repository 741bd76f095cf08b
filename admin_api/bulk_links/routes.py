"""The routes about many links at once."""

from __future__ import annotations

from admin_api.bulk_links.edit_resource import LinkEdits, UnusedLinkDeletion
from admin_api.bulk_links.export import LinkCsv, LinkJson
from admin_api.bulk_links.import_resource import LinkImport, LinkImportFaults
from admin_api.bulk_links.qr_codes import LinkPng, LinkSvg
from admin_api.http import Route
from admin_api.resources import Addresses
from admin_api.runtime import Pool


def bulk_link_routes(pool: Pool, addresses: Addresses) -> list[Route]:
    """Return the routes about many links at once."""
    return [
        Route("/v1/links/import", LinkImport(pool)),
        Route("/v1/links/import/faults.csv", LinkImportFaults(pool)),
        Route("/v1/links/export.csv", LinkCsv(pool, addresses)),
        Route("/v1/links/export.ndjson", LinkJson(pool, addresses)),
        Route("/v1/links/change", LinkEdits(pool)),
        Route("/v1/links/delete-unused", UnusedLinkDeletion(pool)),
        Route("/v1/links/{link_id}/qr.svg", LinkSvg(pool, addresses)),
        Route("/v1/links/{link_id}/qr.png", LinkPng(pool, addresses)),
    ]
