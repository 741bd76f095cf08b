"""The REST resources of configured objects. Each has a declaration of its own, and all share one implementation."""

from __future__ import annotations

from admin_api.resources.addresses import Addresses
from admin_api.resources.in_use import Reference, refuse_archived, refuse_if_named
from admin_api.resources.listing import Archived, ArchivedFilter, archived_condition
from admin_api.resources.resource import Created, Key, Resource
from admin_api.resources.rest import resource_routes
from admin_api.resources.rows import insert_row, update_row
from admin_api.resources.store import insert, load_one, remove, save_changes, save_new

__all__ = [
    "Addresses",
    "Archived",
    "ArchivedFilter",
    "Created",
    "Key",
    "Reference",
    "Resource",
    "archived_condition",
    "insert",
    "insert_row",
    "load_one",
    "refuse_archived",
    "refuse_if_named",
    "remove",
    "resource_routes",
    "save_changes",
    "save_new",
    "update_row",
]
