"""The versions of configured objects: who changed what, and going back to how an object was."""

from __future__ import annotations

from admin_api.versions.resource import version_routes

__all__ = ["version_routes"]
