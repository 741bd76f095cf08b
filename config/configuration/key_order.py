"""Puts a whole configuration in the order of its keys, in a second LMDB file that is removed afterwards."""

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
# The most pages that one entry can add, besides those of its value: a split leaf, a split branch, and a partly full
# page.
_PAGES_AN_ENTRY = 3
_PAGES_BESIDE = 16


@contextmanager
def in_key_order(directory: Path, max_bytes: int, entries: Iterable[tuple[str, bytes]]) -> Iterator[lmdb.Cursor]:
    """Yield a cursor over the entries in order. The file is in `directory`. Raises OSError if the disk is full.

    PERF: the file is written through its map, so the entries are in the page cache and not in this process. Committing
    chunks of entries instead takes twice as long and twice the memory.
    """
    place = directory / _NAME
    # Left over by a writer that was killed.
    shutil.rmtree(place, ignore_errors=True)
    try:
        opened = lmdb.open(str(place), map_size=max_bytes, sync=False, writemap=True)
        with closing(opened) as environment, environment.begin(write=True) as transaction:
            _fill(place / "data.mdb", transaction, entries)
            yield transaction.cursor()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _fill(file: Path, transaction: lmdb.Transaction, entries: Iterable[tuple[str, bytes]]) -> None:
    """Write the entries. Before each thousand, reserve the blocks for them on disk.

    Without reserved blocks, a full disk would end this process (SIGBUS) when it writes to a page, and no clicks would
    be shipped.
    """
    remaining = iter(entries)
    descriptor = os.open(file, os.O_RDWR)
    try:
        while part := [(key.encode(), value) for key, value in islice(remaining, _RESERVED_ENTRIES)]:
            pages = _pages(transaction) + _PAGES_BESIDE + _PAGES_AN_ENTRY * len(part)
            os.posix_fallocate(descriptor, 0, pages * _PAGE_BYTES + sum(len(value) for _, value in part))
            transaction.cursor().putmulti(part)
    finally:
        os.close(descriptor)


def _pages(transaction: lmdb.Transaction) -> int:
    """Return how many pages the entries take so far."""
    used = transaction.stat()
    return int(used["branch_pages"] + used["leaf_pages"] + used["overflow_pages"])
