"""Conversions, the operator's decisions about them, and event types."""

from __future__ import annotations

from admin_api.conversions.listing import CHANGE_COLUMNS
from admin_api.conversions.objects import ConversionChange
from admin_api.conversions.routes import conversion_routes

__all__ = ["CHANGE_COLUMNS", "ConversionChange", "conversion_routes"]
