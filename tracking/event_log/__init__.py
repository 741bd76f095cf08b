"""The steps of a click's trace and their order. Pure."""

from __future__ import annotations

from tracking.event_log.steps import Step, StepKind, in_order, with_times

__all__ = ["Step", "StepKind", "in_order", "with_times"]
