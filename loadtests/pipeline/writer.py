"""`python -m loadtests.pipeline.writer`: writes spools as edge processes do, without HTTP: real slots, ids and files.

Prints one JSON line when it is done: how many records of how many bytes, in how many seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic, sleep
from typing import NamedTuple

import orjson

from config.settings import EdgeSettings, edge_settings
from edge.spool import Slot, SpoolWriter
from loadtests.pipeline.records import payload_source
from tracking.clicks import ClickIdMint

_TICK_S = 0.005
_TURN = 100


class _Spool(NamedTuple):
    slot: Slot
    writer: SpoolWriter
    payload: Callable[[], bytes]


def main() -> None:
    """Write as many records as were asked for, or so many a second."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.pipeline.writer", description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0.0, help="records a second; 0 is as fast as it goes")
    parser.add_argument("--new-visitors-of", type=int, default=0, help="one click in so many repeats the one before")
    parser.add_argument("--spools", type=int, default=2)
    arguments = parser.parse_args()
    settings = edge_settings()
    spools = [_open(settings, arguments.new_visitors_of) for _ in range(arguments.spools)]
    stopping = Event()
    syncing = Thread(target=_sync, args=(spools, settings.spool_fsync_ms / 1000, stopping))
    syncing.start()
    began_at = monotonic()
    try:
        written, size_bytes = _write(spools, arguments.count, arguments.rate)
    finally:
        seconds = monotonic() - began_at
        stopping.set()
        syncing.join()
        for spool in spools:
            spool.writer.close()
    sys.stdout.buffer.write(orjson.dumps({"written": written, "bytes": size_bytes, "seconds": seconds}) + b"\n")


def _open(settings: EdgeSettings, new_visitors_of: int) -> _Spool:
    slot = Slot(settings.spool_dir, settings.node_id)
    writer = SpoolWriter(slot.spool_directory("clicks"), settings.spool_segment_bytes)
    return _Spool(
        slot, writer, payload_source(ClickIdMint(settings.click_id_keys, slot.identity).mint, new_visitors_of)
    )


def _write(spools: list[_Spool], count: int, rate: float) -> tuple[int, int]:
    began_at = monotonic()
    written, size_bytes, turn = 0, 0, 0
    while written < count:
        due = count if not rate else min(count, int((monotonic() - began_at) * rate))
        if due == written:
            sleep(_TICK_S)
        while written < due:
            spool = spools[turn]
            turn = (turn + 1) % len(spools)
            for _ in range(min(_TURN, due - written)):
                payload = spool.payload()
                if not spool.writer.append(payload):
                    sys.exit("writer: the spool took a record no more; is the disk full?")
                written += 1
                size_bytes += len(payload)
    return written, size_bytes


def _sync(spools: list[_Spool], interval_s: float, stopping: Event) -> None:
    """What the edge's own background thread does for its clicks."""
    while not stopping.wait(interval_s):
        for spool in spools:
            if spool.writer.dirty:
                spool.writer.sync()


if __name__ == "__main__":
    main()
