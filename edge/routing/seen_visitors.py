"""Who followed a link before: a table of a fixed size that all edge processes of a host map. No cookie, no network.

Each visitor of a link has one place, which holds 40 bits of his number and the hour when he was last seen. Two visitors
with one place push each other out, so with n visitors since, one of them is forgotten with the chance 1 - exp(-n/2^20).
A new visitor is taken for another one once in 10^12 times. Only links whose rules ask use the table.
"""

from __future__ import annotations

import logging
import os
from functools import cached_property
from pathlib import Path

from config.shared_words import WORD_BYTES, map_words

_log = logging.getLogger(__name__)
_NAME = "visitors"
PLACES = 1 << 20
_MASK = PLACES - 1
_HOUR_BITS = 24
_HOUR_MASK = (1 << _HOUR_BITS) - 1
# A visitor who comes back later than this counts as new.
REMEMBERED_HOURS = 30 * 24


class SeenVisitors:
    """The table in a directory, made when it is first asked. RACE: of two processes that write a place one wins."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME

    def is_returning(self, seed: int, hour: int) -> bool:
        """Return whether a visitor (tracking.routing.visitor_seed) was seen before. `hour` is Unix hours."""
        word = self._words[seed & _MASK]
        ago = hour - (word & _HOUR_MASK)
        return word >> _HOUR_BITS == seed >> _HOUR_BITS and -1 <= ago <= REMEMBERED_HOURS

    def remember(self, seed: int, hour: int) -> None:
        """Remember that a visitor was here."""
        self._words[seed & _MASK] = (seed >> _HOUR_BITS << _HOUR_BITS) | hour & _HOUR_MASK

    @cached_property
    def _words(self) -> memoryview:
        """The words of the table. Where the disk has no room for it, this process has one of its own in memory."""
        size = PLACES * WORD_BYTES
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                # Without its blocks, writing a word on a full disk would end the process (SIGBUS).
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
            return memoryview(map_words(self._path, PLACES, writable=True)).cast("Q")
        except OSError as error:
            _log.warning("%s cannot be made (%s); until a restart this process remembers visitors alone", _NAME, error)
            return memoryview(bytearray(size)).cast("Q")
