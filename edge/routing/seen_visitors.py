"""Who followed a link before: a table of a fixed size that all edge processes of a host map. No cookie, no network.

A word has 40 bits of a visitor's number on a link and the hour in which they were last seen. A number may stand in any
of the eight words of its bucket; a new one takes an empty word, or that of the visitor seen least lately.

Errors: a new visitor is taken for one who returns with a probability of 8 / 2^40. One who returns is taken for new if
eight others of their bucket came since (one in 7,000 with a quarter of a million visitors in the table, one in 120 with
half a million: tests/unit/routing/test_seen_visitors.py), if they were away for longer than `REMEMBERED_HOURS`, or if
they come to another edge host, which has a table of its own. Only links whose rules ask use the table.
"""

from __future__ import annotations

import logging
import os
from functools import cached_property
from pathlib import Path

from config.shared_words import WORD_BYTES, map_words

_log = logging.getLogger(__name__)
_NAME = "visitors"
# 8 MB.
PLACES = 1 << 20
_BUCKET = 8
_HOUR_BITS = 24
_HOUR_MASK = (1 << _HOUR_BITS) - 1
# A visitor who comes back later than this counts as new.
REMEMBERED_HOURS = 30 * 24


class SeenVisitors:
    """The table in a directory, made when it is first asked.

    RACE: two processes may write to one bucket at once. Each writes one whole word, so the worst is that one visitor is
    forgotten, and is new once more.
    """

    def __init__(self, directory: Path, places: int = PLACES, *, remembers: bool = True) -> None:
        self._path = directory / _NAME
        self._places = places
        self._remembers = remembers

    def unchanged(self) -> SeenVisitors:
        """Return the same table for test clicks, which remember nobody."""
        return SeenVisitors(self._path.parent, self._places, remembers=False)

    def is_returning(self, seed: int, hour: int, *, remember: bool) -> bool:
        """Return whether a visitor (tracking.routing.visitor_seed) was seen before; if `remember`, note that they are
        here now. `hour` is Unix hours.
        """
        words, remember = self._words, remember and self._remembers
        # The bucket is taken from the low bits, the fingerprint from the high ones. 0 is the empty word.
        first = seed % (self._places // _BUCKET) * _BUCKET
        fingerprint = seed >> _HOUR_BITS or 1
        place, oldest = first, _HOUR_MASK
        for number in range(first, first + _BUCKET):
            word = words[number]
            seen = word & _HOUR_MASK
            if word >> _HOUR_BITS == fingerprint:
                if remember and seen != hour:
                    words[number] = fingerprint << _HOUR_BITS | hour
                # The hour may be a later one, after a clock was set right.
                return hour - seen <= REMEMBERED_HOURS
            if seen < oldest:
                place, oldest = number, seen
        if remember:
            words[place] = fingerprint << _HOUR_BITS | hour
        return False

    @cached_property
    def _words(self) -> memoryview:
        """The words of the table. Where the disk has no room for it, this process has one of its own in memory."""
        size = self._places * WORD_BYTES
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                # Without its blocks, writing a word on a full disk would end the process (SIGBUS).
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
            return memoryview(map_words(self._path, self._places, writable=True)).cast("Q")
        except OSError as error:
            _log.warning("%s cannot be made (%s); until a restart this process remembers visitors alone", _NAME, error)
            return memoryview(bytearray(size)).cast("Q")
