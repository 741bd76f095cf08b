"""Conversions, the operator's decisions about them, and event types."""

from __future__ import annotations

from admin_api.conversions.routes import conversion_routes

__all__ = ["conversion_routes"]
