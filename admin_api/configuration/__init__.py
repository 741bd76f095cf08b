"""Profiles, links, merchants and sources, and how they are compiled and published to the edge."""

from __future__ import annotations

from admin_api.configuration.link_filter import LinkFilter, Tag
from admin_api.configuration.links import LINKS, mint_slug
from admin_api.configuration.merchants import MERCHANTS
from admin_api.configuration.profiles import PROFILES
from admin_api.configuration.publisher import Publisher
from admin_api.configuration.routes import configuration_routes
from admin_api.configuration.sources import SOURCES

__all__ = [
    "LINKS",
    "MERCHANTS",
    "PROFILES",
    "SOURCES",
    "LinkFilter",
    "Publisher",
    "Tag",
    "configuration_routes",
    "mint_slug",
]
