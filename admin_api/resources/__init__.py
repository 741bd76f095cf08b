"""The REST resources of configured objects. Each has a declaration of its own, and all share one implementation."""

from __future__ import annotations

from admin_api.resources.addresses import Addresses
from admin_api.resources.resource import Created, Key, Resource
from admin_api.resources.rest import resource_routes
from admin_api.resources.rows import insert_row, update_row
from admin_api.resources.store import insert, load_one, remove, save_changes, save_new

__all__ = [
    "Addresses",
    "Created",
    "Key",
    "Resource",
    "insert",
    "insert_row",
    "load_one",
    "remove",
    "resource_routes",
    "save_changes",
    "save_new",
    "update_row",
]
