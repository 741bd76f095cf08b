"""What an outgoing postback contains, when a delivery is tried again, and to which addresses it may go. Pure."""

from __future__ import annotations

from tracking.outgoing.deliveries import (
    LEASE_S,
    SUSPEND_AFTER_S,
    AttemptError,
    DeliveryState,
    OutgoingState,
    parse_retry_after,
    retry_delay_s,
)
from tracking.outgoing.message import (
    RENDERED_CHARACTERS_MAX,
    compile_outgoing,
    conversion_facts,
    render_body,
    render_url,
    sample_facts,
)
from tracking.outgoing.public_address import (
    Address,
    AddressError,
    Network,
    check_address,
    parse_host_address,
    parse_networks,
    parse_resolved_address,
)

__all__ = [
    "LEASE_S",
    "RENDERED_CHARACTERS_MAX",
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
    "parse_host_address",
    "parse_networks",
    "parse_resolved_address",
    "parse_retry_after",
    "render_body",
    "render_url",
    "retry_delay_s",
    "sample_facts",
]
