"""Counters that survive kill -9: unsigned 64-bit words in a memory-mapped file, one writer, any number of readers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from config.shared_words import WORD_BYTES, map_words

_WORDS = 512


class CounterFile:
    """A file of 512 counters; `words[i]` reads and writes one. Raises FileNotFoundError, or ValueError if too short."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._map = map_words(path, _WORDS, writable=writable)
        self.words = memoryview(self._map).cast("Q")

    def snapshot(self, count: int) -> Sequence[int]:
        """Return the first `count` words as of one instant: they are read until two readings are equal."""
        size = count * WORD_BYTES
        before = self._map[:size]
        while (after := self._map[:size]) != before:
            before = after
        return memoryview(before).cast("Q").tolist()

    def close(self) -> None:
        """Release the mapping."""
        self.words.release()
        self._map.close()


def read_counters(path: Path, count: int) -> Sequence[int] | None:
    """Return the first `count` words of a file, None if there is no file or its writer was killed before filling it."""
    try:
        counters = CounterFile(path, writable=False)
    except (FileNotFoundError, ValueError):
        return None
    try:
        return counters.snapshot(count)
    finally:
        counters.close()
