"""Counts the conversions of links and destinations that have a cap on conversions."""

from __future__ import annotations

from worker.caps.counting import count_conversions

__all__ = ["count_conversions"]
