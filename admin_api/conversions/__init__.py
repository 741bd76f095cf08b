"""Conversions, the operator's decisions about them, and event types."""

from __future__ import annotations

from admin_api.conversions.decisions import Action
from admin_api.conversions.event_types import EventTypeItem, EventTypes
from admin_api.conversions.resource import ConversionItem, Conversions, ManyConversions

__all__ = ["Action", "ConversionItem", "Conversions", "EventTypeItem", "EventTypes", "ManyConversions"]
