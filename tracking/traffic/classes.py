"""The classes of traffic. Gross clicks are all requests, net clicks the valid ones: gross = net + the other classes."""

from __future__ import annotations

from enum import StrEnum


class TrafficClass(StrEnum):
    """The kind of request that a stored click is. What fits several is of the first that fits, in this order."""

    HEAD = "head"
    PREFETCH = "prefetch"
    BOT = "bot"
    DATACENTER = "datacenter"
    RATE = "rate"
    DUPLICATE = "duplicate"
    VALID = "valid"


_AHEAD = ("prefetch", "preview", "prerender")


def class_of_request(method: str, purpose: str) -> TrafficClass | None:
    """Return the class that a request has by its form alone, or None.

    `purpose` is its Sec-Purpose, Purpose or X-Moz header, with which a browser says that it loads a page ahead.
    """
    if method == "HEAD":
        return TrafficClass.HEAD
    if purpose:
        lowered = purpose.lower()
        if any(word in lowered for word in _AHEAD):
            return TrafficClass.PREFETCH
    return None
