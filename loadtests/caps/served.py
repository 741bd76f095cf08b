"""What the hosts serve: one link with one cap and an overflow destination."""

from __future__ import annotations

from collections.abc import Iterator

from config.configuration import (
    PublishedLink,
    PublishedProfile,
    cap_key,
    encode_cap,
    encode_published,
    link_key,
    profile_key,
)
from tracking.caps import Cap
from tracking.routing import compile_plan

HOST, PATH = "caps.example", "/click/capped"
CAPPED, OVERFLOW = "https://capped.example/", "https://overflow.example/"


def served(cap: Cap) -> Iterator[tuple[str, bytes]]:
    """Yield what is published."""
    document = {"caps": [{"cap_id": cap.cap_id}], "overflow_url": OVERFLOW}
    yield cap_key(cap.cap_id), encode_cap(cap)
    yield profile_key(HOST), encode_published(PublishedProfile(1, "Caps", True, "302", None, [], 300))
    link = PublishedLink(1, True, [CAPPED], None, [None] * 10, compile_plan(document, 1, "DP"))
    yield link_key(1, PATH.rpartition("/")[2]), encode_published(link)
