"""The REST resources of configured objects: one declaration each, one implementation for all."""

from __future__ import annotations

from admin_api.resources.addresses import Addresses
from admin_api.resources.resource import Created, Noun, present
from admin_api.resources.rest import Collection, Item
from admin_api.resources.store import insert, load_one, save_changes, save_new

__all__ = [
    "Addresses",
    "Collection",
    "Created",
    "Item",
    "Noun",
    "insert",
    "load_one",
    "present",
    "save_changes",
    "save_new",
]
