"""Turns rows of caps into what the edge serves."""

from __future__ import annotations

from typing import LiteralString

from admin_api.runtime import Row
from config.configuration import cap_key, encode_cap
from tracking.caps import Cap, CapCount, CapPer

CAPS: LiteralString = "select cap_id, counted, per, cap_limit, time_zone from caps"


def compile_cap(row: Row) -> tuple[str, bytes | None]:
    """Return the key and value of a cap."""
    return cap_key(row["cap_id"]), encode_cap(
        Cap(
            cap_id=row["cap_id"],
            counted=CapCount(row["counted"]),
            per=CapPer(row["per"]),
            limit=row["cap_limit"],
            time_zone=row["time_zone"] or "UTC",
        )
    )
