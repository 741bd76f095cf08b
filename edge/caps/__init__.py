"""Caps at the edge: a click takes capacity that the agent has brought to this host beforehand."""

from __future__ import annotations

from edge.caps.caps import Caps
from edge.caps.grants import Grants
from edge.caps.keeper import CapKeeper
from edge.caps.metrics import cap_metrics
from edge.caps.rows import CapRows

__all__ = ["CapKeeper", "CapRows", "Caps", "Grants", "cap_metrics"]
