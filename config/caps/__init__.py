"""The capacity of caps in Redis: what each edge host holds of it, and how many conversions were counted."""

from __future__ import annotations

from config.caps.conversions import ConversionCounts, load_conversions, publish_conversions
from config.caps.ledger import GRACE_S, Ask, Beat, CapLedger, Granted
from config.caps.use import CapUse, load_use

__all__ = [
    "GRACE_S",
    "Ask",
    "Beat",
    "CapLedger",
    "CapUse",
    "ConversionCounts",
    "Granted",
    "load_conversions",
    "load_use",
    "publish_conversions",
]
