"""Stores batches of clicks, each click exactly once, in day partitions."""

from __future__ import annotations

from worker.clicks.partitions import ensure_partitions
from worker.clicks.task import store_batch

__all__ = ["ensure_partitions", "store_batch"]
