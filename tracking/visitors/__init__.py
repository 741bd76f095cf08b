"""What a request tells of its visitor: device, language, referring site, and the number that stands for them. Pure."""

from __future__ import annotations

from tracking.visitors.headers import accepted_language, referrer_host
from tracking.visitors.user_agents import DEVICES, UserAgent, parse_user_agent, prepare_user_agents
from tracking.visitors.visitor_number import address_range, visitor_key, visitor_number

__all__ = [
    "DEVICES",
    "UserAgent",
    "accepted_language",
    "address_range",
    "parse_user_agent",
    "prepare_user_agents",
    "referrer_host",
    "visitor_key",
    "visitor_number",
]
