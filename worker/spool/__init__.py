"""How far each spool is stored, and the records that could not be stored."""

from __future__ import annotations

from worker.spool.poison import Poison, save_poison, separate, storable_text
from worker.spool.progress import (
    Counts,
    check_batch,
    load_progress,
    lock_progress,
    lock_spool,
    lock_spool_shared,
    missing_in,
    publish_progress,
    save_progress,
    within,
)
from worker.spool.record_rules import BIGINT_MAX, DAY_MS, Rules, canonical_ip, check_ip, check_moment

__all__ = [
    "BIGINT_MAX",
    "DAY_MS",
    "Counts",
    "Poison",
    "Rules",
    "canonical_ip",
    "check_batch",
    "check_ip",
    "check_moment",
    "load_progress",
    "lock_progress",
    "lock_spool",
    "lock_spool_shared",
    "missing_in",
    "publish_progress",
    "save_poison",
    "save_progress",
    "separate",
    "storable_text",
    "within",
]
