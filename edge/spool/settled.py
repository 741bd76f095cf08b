"""Settled spools: those of earlier boots whose every record is stored. They lie in `settled/` and are only counted.

PERF: each boot of the machine begins new spools, and the agent looks through all spools many times a second. With three
edge processes, the spools of 100 boots made that take 37 ms.
"""

from __future__ import annotations

from pathlib import Path

from edge.spool.slots import spool_directories

_NAME = "settled"


def settle(spool: Path) -> None:
    """Move a spool to the settled ones. Raises OSError."""
    directory = spool.parent / _NAME
    directory.mkdir(mode=0o700, exist_ok=True)
    spool.rename(directory / spool.name)


def settled_spools(spool_dir: Path) -> list[Path]:
    """Return the directories of the settled spools under `spool_dir`."""
    return spool_directories(spool_dir / _NAME)
