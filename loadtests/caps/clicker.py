"""`python -m loadtests.caps.clicker SPOOL_DIR SLOT COUNTS CAP_ID RATE`: one edge process without HTTP.

It takes clicks of a cap at a steady rate until it is killed, and counts in a mapped file, which survives that, what it
got.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter, sleep

from config.shared_words import map_words
from edge.caps import Caps

TAKEN, REFUSED, WORDS = range(3)
_BURST_S = 0.005


def main(spool_dir: Path, slot: str, counts: Path, cap_ids: tuple[int, ...], rate: float) -> None:
    """Take clicks until the process ends."""
    caps = Caps(spool_dir, slot)
    words = memoryview(map_words(counts, WORDS, writable=True)).cast("Q")
    burst = max(1, int(rate * _BURST_S))
    due = perf_counter()
    while True:
        for _ in range(burst):
            # A visitor who is sent on counts, even if the process is killed right after.
            words[TAKEN if caps.take(cap_ids) else REFUSED] += 1
        due += burst / rate
        sleep(max(0.0, due - perf_counter()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), (int(sys.argv[4]),), float(sys.argv[5]))
