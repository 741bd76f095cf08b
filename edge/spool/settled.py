"""Spools of earlier boots of which every record is stored: they are moved to `settled/`, and only counted from then on.

Each boot of the machine begins new spools, and the agent and every edge process look through all that there are, many
times a second. With three processes, the spools of 100 boots made that 37 ms.
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
