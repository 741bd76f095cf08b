"""Caps as they are published: one key each, `c:{cap_id}`, and an array of what it counts, per what, limit and zone."""

from __future__ import annotations

import orjson

from tracking.caps import Cap, CapCount, CapPer

CAP_PREFIX = "c:"


def cap_key(cap_id: int) -> str:
    """Return the key of a cap."""
    return f"{CAP_PREFIX}{cap_id}"


def encode_cap(cap: Cap) -> bytes:
    """Return the value to publish."""
    return orjson.dumps(cap[1:])


def decode_cap(key: str, data: bytes) -> Cap:
    """Return a cap. `data` is not validated."""
    count, per, limit, time_zone = orjson.loads(data)
    return Cap(int(key.removeprefix(CAP_PREFIX)), CapCount(count), CapPer(per), limit, time_zone)
