"""The spool on this host's disk: edge processes write it, and the agent reads it and ships it to the workers."""

from __future__ import annotations

from edge.spool.counters import read_counters
from edge.spool.recorder import Recorder, spool_bytes
from edge.spool.settled import settled_spools
from edge.spool.shipper import Shipper
from edge.spool.slots import Slot, boot_id, outcome_files, spool_directories
from edge.spool.spool_counts import read_spool_counts
from edge.spool.writer import SpoolWriter

__all__ = [
    "Recorder",
    "Shipper",
    "Slot",
    "SpoolWriter",
    "boot_id",
    "outcome_files",
    "read_counters",
    "read_spool_counts",
    "settled_spools",
    "spool_bytes",
    "spool_directories",
]
