"""Small files of 64-bit words that several processes map. When the writer dies, the page cache keeps what it wrote."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

WORD_BYTES = 8


def map_words(path: Path, count: int, *, writable: bool) -> mmap.mmap:
    """Return the map of a file of `count` words. If `writable`, the file is made if there is none.

    Raises FileNotFoundError, or ValueError if the file is shorter.
    """
    size = count * WORD_BYTES
    descriptor = os.open(path, (os.O_RDWR | os.O_CREAT) if writable else os.O_RDONLY, 0o600)
    try:
        if writable:
            _allocate(descriptor, size)
        return mmap.mmap(descriptor, size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _allocate(descriptor: int, size: int) -> None:
    """Reserve the file's blocks on disk. Without them, writing a word on a full disk would end the process (SIGBUS)."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        if os.fstat(descriptor).st_size < size:
            os.ftruncate(descriptor, size)
