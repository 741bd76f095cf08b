"""Profiles, links, merchants and sources; their compilation and publication to the edge."""

from __future__ import annotations

from admin_api.configuration import tracking_domain
from admin_api.configuration.links import LINKS
from admin_api.configuration.merchant_credentials import MerchantSecrets, MerchantTokens
from admin_api.configuration.merchants import MERCHANTS
from admin_api.configuration.platforms import PlatformList
from admin_api.configuration.profiles import PROFILES
from admin_api.configuration.publisher import Publisher
from admin_api.configuration.sources import SOURCES

__all__ = [
    "LINKS",
    "MERCHANTS",
    "PROFILES",
    "SOURCES",
    "MerchantSecrets",
    "MerchantTokens",
    "PlatformList",
    "Publisher",
    "tracking_domain",
]
