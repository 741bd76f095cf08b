"""The spool on this host's disk: writing it, reading it, and shipping it to the workers."""

from __future__ import annotations

from edge.spool.counters import CounterFile
from edge.spool.recorder import Recorder, spool_bytes
from edge.spool.shipper import Shipper
from edge.spool.slots import Slot, boot_id, outcome_files, spool_directories
from edge.spool.writer import COUNTERS_NAME, DECLARED_LOST, ISSUED, NUMBERS, WORDS, SpoolWriter

__all__ = [
    "COUNTERS_NAME",
    "DECLARED_LOST",
    "ISSUED",
    "NUMBERS",
    "WORDS",
    "CounterFile",
    "Recorder",
    "Shipper",
    "Slot",
    "SpoolWriter",
    "boot_id",
    "outcome_files",
    "spool_bytes",
    "spool_directories",
]
