"""The keys of caps in Redis."""

from __future__ import annotations

# Made anew when Redis has lost its data. While it is young, no host is granted anything, so that all can say what they
# hold.
EPOCH_KEY = "waypost:caps:epoch"
# The hosts by their token, with the Redis time of their last beat in milliseconds.
HOSTS_KEY = "waypost:caps:hosts"
# The caps that a host could not get capacity of, with the time of that.
WANTED_KEY = "waypost:caps:wanted"
# Conversions by cap and period as one JSON object, and a number that changes with it.
CONVERSIONS_KEY = "waypost:caps:conversions"
CONVERSIONS_VERSION_KEY = "waypost:caps:conversions:version"
# In the hash of a cap: since when the whole limit is granted.
EXHAUSTED_FIELD = "!exhausted"


def grants_key(cap_id: int, start_s: int) -> str:
    """Return the key of the hash with what each host holds of a cap in a period, used or not."""
    return f"waypost:cap:{cap_id}:{start_s}"


def used_key(token: str) -> str:
    """Return the key of the hash with what a host has used of each cap and period."""
    return f"waypost:caps:used:{token}"


def period_field(cap_id: int, start_s: int) -> str:
    """Return the name of a cap's period in a hash."""
    return f"{cap_id}:{start_s}"
