"""The audit log: who changed what, as it was and as it is. Triggers write it, and here it is only read."""

from __future__ import annotations

from admin_api.audit.routes import audit_routes

__all__ = ["audit_routes"]
