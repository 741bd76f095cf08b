"""Where a click of a link with rules goes: looks the facts up that its rules ask for, and runs its plan."""

from __future__ import annotations

from edge.routing.chooser import Chooser
from edge.routing.plans import read_plan
from edge.routing.rotations import Rotations
from edge.routing.seen_visitors import SeenVisitors

__all__ = ["Chooser", "Rotations", "SeenVisitors", "read_plan"]
