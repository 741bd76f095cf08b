"""Click ids minted by many processes at once: no two are equal.

A million ids by default. Ten million: `CLICK_IDS=10000000 pytest tests/system/clicks/test_ids_of_many_processes.py`
"""

from __future__ import annotations

import os
from pathlib import Path

from tracking.clicks import ClickIdMint, ProcessIdentity

COUNT = int(os.environ.get("CLICK_IDS", "1000000"))
PROCESSES = 16
BUCKETS = 16
ID_BYTES = 16


def mint_to_files(directory: Path, slot: int, count: int) -> None:
    """Write `count` ids of one process, dealt out by their last bits, to be compared a bucket at a time."""
    mint = ClickIdMint([b"k" * 32], ProcessIdentity(7, slot, 0))
    buckets = [bytearray() for _ in range(BUCKETS)]
    for _ in range(count):
        value = bytes.fromhex(mint.mint()[0].replace("-", ""))
        buckets[value[-1] % BUCKETS] += value
    for number, bucket in enumerate(buckets):
        (directory / f"{number}-{slot}").write_bytes(bucket)


def test_ids_of_sixteen_forked_processes_are_all_different(tmp_path: Path) -> None:
    share = COUNT // PROCESSES
    children = []
    for slot in range(PROCESSES):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                mint_to_files(tmp_path, slot, share)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * PROCESSES
    minted = different = 0
    for bucket in range(BUCKETS):
        data = b"".join(path.read_bytes() for path in tmp_path.glob(f"{bucket}-*"))
        minted += len(data) // ID_BYTES
        different += len({data[at : at + ID_BYTES] for at in range(0, len(data), ID_BYTES)})
    assert minted == different == share * PROCESSES
