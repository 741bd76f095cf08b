"""Outgoing postbacks, their templates, and the delivery log."""

from __future__ import annotations

from admin_api.outgoing.delivery_objects import DeliveryAttempt, DeliveryFacts
from admin_api.outgoing.delivery_table import load_backlog
from admin_api.outgoing.routes import outgoing_routes

__all__ = ["DeliveryAttempt", "DeliveryFacts", "load_backlog", "outgoing_routes"]
