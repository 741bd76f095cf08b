"""What a request tells of its visitor: device, language, referring site, and the number that stands for them. Pure."""

from __future__ import annotations

from tracking.visitors.headers import accepted_language, referrer_host
from tracking.visitors.limits import HEADER_CHARACTERS_MAX
from tracking.visitors.user_agents import DEVICES, UserAgent, parse_user_agent, prepare_user_agents
from tracking.visitors.visitor_number import (
    VisitorKey,
    address_number,
    address_range,
    agent_number,
    canonical_address,
    is_local,
    visitor_key,
    visitor_number,
)

__all__ = [
    "DEVICES",
    "HEADER_CHARACTERS_MAX",
    "UserAgent",
    "VisitorKey",
    "accepted_language",
    "address_number",
    "address_range",
    "agent_number",
    "canonical_address",
    "is_local",
    "parse_user_agent",
    "prepare_user_agents",
    "referrer_host",
    "visitor_key",
    "visitor_number",
]
