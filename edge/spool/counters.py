"""Counters that survive kill -9: unsigned 64-bit words in a memory-mapped file, one writer, any number of readers."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

_FILE_BYTES = 4096
_WORD_BYTES = 8


class CounterFile:
    """A file of up to 512 counters; `words[i]` reads and writes. The page cache keeps it when the process dies."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        flags = (os.O_RDWR | os.O_CREAT) if writable else os.O_RDONLY
        descriptor = os.open(path, flags, 0o600)
        try:
            if writable:
                _allocate(descriptor)
            access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
            self._map = mmap.mmap(descriptor, _FILE_BYTES, access=access)
        finally:
            os.close(descriptor)
        self.words = memoryview(self._map).cast("Q")

    def snapshot(self, count: int) -> Sequence[int]:
        """Return the first `count` words as they stood together, reading until two readings agree."""
        size = count * _WORD_BYTES
        before = self._map[:size]
        while (after := self._map[:size]) != before:
            before = after
        return memoryview(before).cast("Q").tolist()

    def close(self) -> None:
        """Release the mapping."""
        self.words.release()
        self._map.close()


def _allocate(descriptor: int) -> None:
    """Give the file its block now. Without one, the first count of a process on a full disk would end it (SIGBUS)."""
    try:
        os.posix_fallocate(descriptor, 0, _FILE_BYTES)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.ftruncate(descriptor, _FILE_BYTES)
