"""The hot path: a tracking link is followed, recorded and answered."""

from __future__ import annotations

from edge.clicks.decision import Router
from edge.clicks.resource import ClickResource

__all__ = ["ClickResource", "Router"]
