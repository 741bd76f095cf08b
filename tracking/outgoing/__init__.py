"""What an outgoing postback says, when a delivery is tried again, and which addresses it may go to. Pure."""

from __future__ import annotations

from tracking.outgoing.deliveries import (
    LEASE_S,
    SUSPEND_AFTER_S,
    AttemptError,
    DeliveryState,
    OutgoingState,
    next_delay_s,
    parse_retry_after,
)
from tracking.outgoing.message import compile_outgoing, conversion_facts, render_body, render_url, sample_facts
from tracking.outgoing.public_address import (
    Address,
    AddressError,
    Network,
    check_address,
    parse_host_address,
    parse_networks,
    parse_resolved,
)

__all__ = [
    "LEASE_S",
    "SUSPEND_AFTER_S",
    "Address",
    "AddressError",
    "AttemptError",
    "DeliveryState",
    "Network",
    "OutgoingState",
    "check_address",
    "compile_outgoing",
    "conversion_facts",
    "next_delay_s",
    "parse_host_address",
    "parse_networks",
    "parse_resolved",
    "parse_retry_after",
    "render_body",
    "render_url",
    "sample_facts",
]
