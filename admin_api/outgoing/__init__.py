"""Outgoing postbacks, their templates, and the delivery log."""

from __future__ import annotations

from admin_api.outgoing.delivery_table import load_backlog
from admin_api.outgoing.routes import outgoing_routes

__all__ = ["load_backlog", "outgoing_routes"]
