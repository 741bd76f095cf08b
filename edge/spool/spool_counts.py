"""What a spool's writer counts, and where in the spool's counter file it stands."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edge.spool.counters import read_counters

COUNTERS_NAME = "counters"
ISSUED, DECLARED_LOST, NUMBERS, SEGMENT, END_OFFSET = range(5)
# How often to look again when the writer was counting between two looks.
INSTANT_TRIES = 20


class SpoolCounts(NamedTuple):
    """The words in their order: requests to be recorded, those of them that could not be, record numbers used, and the
    segment that is written, with the offset where its last record ends.
    """

    issued: int
    declared_lost: int
    numbers: int
    segment: int
    end_offset: int


def read_spool_counts(spool: Path) -> SpoolCounts | None:
    """Return the counts of a spool as of one instant, None where there are none yet."""
    counts = None
    for _ in range(INSTANT_TRIES):
        words = read_counters(spool / COUNTERS_NAME, len(SpoolCounts._fields))
        if words is None:
            return None
        counts = SpoolCounts(*words)
        # The writer stores its words one after another; words that do not add up were read in between.
        if counts.issued == counts.numbers + counts.declared_lost:
            break
    return counts
