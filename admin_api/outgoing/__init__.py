"""Outgoing postbacks, their templates, and the delivery log."""

from __future__ import annotations

from admin_api.outgoing.deliveries import Deliveries, DeliveriesReplay, DeliveryItem, DeliveryReplay, load_backlog
from admin_api.outgoing.postback_templates import PostbackTemplates
from admin_api.outgoing.resource import (
    OutgoingPostbackItem,
    OutgoingPostbacks,
    OutgoingPostbackSecret,
    OutgoingPostbackTest,
    outgoing_postbacks,
)

__all__ = [
    "Deliveries",
    "DeliveriesReplay",
    "DeliveryItem",
    "DeliveryReplay",
    "OutgoingPostbackItem",
    "OutgoingPostbackSecret",
    "OutgoingPostbackTest",
    "OutgoingPostbacks",
    "PostbackTemplates",
    "load_backlog",
    "outgoing_postbacks",
]
