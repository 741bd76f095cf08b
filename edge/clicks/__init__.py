"""The hot path: looks a tracking link up, records the click and answers it."""

from __future__ import annotations

from edge.clicks.decision import Router
from edge.clicks.link_test import LinkTestResource
from edge.clicks.resource import ClickResource
from edge.clicks.special import SpecialLinks

__all__ = ["ClickResource", "LinkTestResource", "Router", "SpecialLinks"]
