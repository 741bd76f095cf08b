"""The counts of a spool's writer, and their places in the spool's counter file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edge.spool.counters import read_counters

COUNTERS_NAME = "counters"
ISSUED, DECLARED_LOST, NUMBERS, SEGMENT, END_OFFSET = range(5)
# How often to read again if the writer was counting in the meantime.
INSTANT_TRIES = 20


class SpoolCounts(NamedTuple):
    """The words in their order: records that were to be written, those of them that could not be, numbers used, the
    sequence number of the present segment, and the offset in it where the last record ends.
    """

    issued: int
    declared_lost: int
    numbers: int
    segment: int
    end_offset: int


def read_spool_counts(spool: Path) -> SpoolCounts | None:
    """Return the counts of a spool as of one instant, None if there are none yet."""
    counts = None
    for _ in range(INSTANT_TRIES):
        words = read_counters(spool / COUNTERS_NAME, len(SpoolCounts._fields))
        if words is None:
            return None
        counts = SpoolCounts(*words)
        # RACE: the writer stores one word after another. If these do not add up, it was in the middle of it.
        if counts.issued == counts.numbers + counts.declared_lost:
            break
    return counts
