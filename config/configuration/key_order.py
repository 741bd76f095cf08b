"""A whole configuration in the order of its keys, by way of a second LMDB file that is gone afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import lmdb

_NAME = "sorting"
_PAGE_BYTES = 4096
_RESERVED_ENTRIES = 1000
# What one entry can add at most, besides its value: a leaf and a branch that it splits, and a page that is not full.
_PAGES_AN_ENTRY = 3
_PAGES_BESIDE = 16


@contextmanager
def in_key_order(directory: Path, max_bytes: int, served: Iterable[tuple[str, bytes]]) -> Iterator[lmdb.Cursor]:
    """Yield a cursor over the entries in order. The file lies in `directory`. Raises OSError where the disk is full.

    PERF: it is written through its map, so that the entries wait in the page cache and not in this process: twice as
    fast as chunks that are committed, and half the memory.
    """
    place = directory / _NAME
    # Left over by a writer that was killed.
    shutil.rmtree(place, ignore_errors=True)
    try:
        opened = lmdb.open(str(place), map_size=max_bytes, sync=False, writemap=True)
        with closing(opened) as environment, environment.begin(write=True) as transaction:
            _fill(place / "data.mdb", transaction, served)
            yield transaction.cursor()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _fill(file: Path, transaction: lmdb.Transaction, served: Iterable[tuple[str, bytes]]) -> None:
    """Put the entries, each thousand when the file has the blocks for it.

    Without them a full disk would end this process (SIGBUS) when it touches a page, and with it the shipping of clicks.
    """
    entries = iter(served)
    descriptor = os.open(file, os.O_RDWR)
    try:
        while part := [(key.encode(), value) for key, value in islice(entries, _RESERVED_ENTRIES)]:
            pages = _pages(transaction) + _PAGES_BESIDE + _PAGES_AN_ENTRY * len(part)
            os.posix_fallocate(descriptor, 0, pages * _PAGE_BYTES + sum(len(value) for _, value in part))
            transaction.cursor().putmulti(part)
    finally:
        os.close(descriptor)


def _pages(transaction: lmdb.Transaction) -> int:
    """Return how many pages the entries take so far."""
    used = transaction.stat()
    return int(used["branch_pages"] + used["leaf_pages"] + used["overflow_pages"])
