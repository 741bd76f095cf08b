"""The routes of what an operator configures."""

from __future__ import annotations

from admin_api.configuration import tracking_domain
from admin_api.configuration.links import LINKS
from admin_api.configuration.merchant_credentials import MerchantSecrets, MerchantTokens
from admin_api.configuration.merchants import MERCHANTS
from admin_api.configuration.next_hop_secrets import NextHopSecrets
from admin_api.configuration.platforms import PlatformList
from admin_api.configuration.profiles import PROFILES
from admin_api.configuration.sources import SOURCES
from admin_api.http import Route
from admin_api.resources import Addresses, resource_routes
from admin_api.runtime import Pool
from admin_api.versions import version_routes


def configuration_routes(pool: Pool, addresses: Addresses) -> list[Route]:
    """Return the routes of everything an operator configures."""
    return [
        *(
            route
            for resource in (PROFILES, MERCHANTS, SOURCES, LINKS)
            for route in resource_routes(resource, pool, addresses)
        ),
        *version_routes(LINKS, pool, addresses),
        Route("/v1/merchants/{merchant_id}/tokens", MerchantTokens(pool, addresses)),
        Route("/v1/merchants/{merchant_id}/secrets", MerchantSecrets(pool)),
        Route("/v1/profiles/{profile_id}/next-hop-secrets", NextHopSecrets(pool)),
        Route("/v1/platforms", PlatformList()),
        Route(tracking_domain.PATH, tracking_domain.TrackingDomain(pool)),
    ]
