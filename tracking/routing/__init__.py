"""The rules of links: conditions, weighted choice, the plan that the edge runs, and its outcome in words. Pure."""

from __future__ import annotations

from tracking.routing.choice import sticky_choice, visitor_seed
from tracking.routing.conditions import Test, compile_condition, decode_condition
from tracking.routing.decision import Capacity, Chosen, Visitor, outcome_of, run_plan
from tracking.routing.outcome import How, RoutingOutcome
from tracking.routing.plan import (
    UNREADABLE,
    Plan,
    Rotation,
    compile_plan,
    compile_rotation,
    decode_plan,
    decode_rotation,
    expansion_of,
)
from tracking.routing.words import explain

__all__ = [
    "UNREADABLE",
    "Capacity",
    "Chosen",
    "How",
    "Plan",
    "Rotation",
    "RoutingOutcome",
    "Test",
    "Visitor",
    "compile_condition",
    "compile_plan",
    "compile_rotation",
    "decode_condition",
    "decode_plan",
    "decode_rotation",
    "expansion_of",
    "explain",
    "outcome_of",
    "run_plan",
    "sticky_choice",
    "visitor_seed",
]
