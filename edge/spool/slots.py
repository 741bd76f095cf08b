"""Slots: each edge process of a host holds one, and with it spool directories and a share of the click ids of its own.

A process holds its slot under a file lock for as long as it lives, so two living processes never share one. The lock
file has the generation, a number that grows each time the slot is taken. It begins at random, so that two hosts that
were given the same node number by mistake hardly ever make the same ids.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path

from config.durability import sync_directory
from edge.spool import segments
from edge.spool.writer import SpoolWriter
from tracking.clicks import GENERATION_COUNT, SLOT_MAX, ProcessIdentity
from tracking.runtime import WaypostError
from tracking.spool import spool_id

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# The file in each spool that names the boot in which it is written, or says that it is ended.
_BOOT_NAME = "boot"
_ENDED = "ended"
_SEGMENT_BYTES = 1 << 20
_SPOOL_NAME = re.compile(r"(\d+)-(\d+)-[0-9a-f]+-(clicks|postbacks)")


class SlotError(WaypostError):
    """No slot is free: more edge processes share one SPOOL_DIR than there are slots."""

    code = "no-slot"


class Slot:
    """A held slot. It is held until `release`, or until the process ends."""

    def __init__(self, spool_dir: Path, node: int) -> None:
        spool_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.spool_dir = spool_dir
        self._descriptor, number = _lock_lowest(spool_dir, node)
        self.identity = ProcessIdentity(node, number, self._next_generation())

    def renew(self) -> ProcessIdentity:
        """Take the slot again under the next generation. Return the new identity. Raises OSError."""
        self.identity = self.identity._replace(generation=self._next_generation())
        return self.identity

    def spool_directory(self, stream: str) -> Path:
        """Return the directory of this slot's spool of a stream. Its name is the spool's id."""
        return spool_for_boot(self.spool_dir, (self.identity.node, self.identity.slot), stream, boot_id())

    def counters_path(self) -> Path:
        """Return the file in which this slot counts its answers by outcome."""
        return self.spool_dir / f"slot-{self.identity.node}-{self.identity.slot}.outcomes"

    def release(self) -> None:
        """Give the slot back."""
        os.close(self._descriptor)

    def _next_generation(self) -> int:
        text = os.pread(self._descriptor, 32, 0).strip()
        generation = (int(text) if text.isdigit() else secrets.randbelow(GENERATION_COUNT)) + 1
        os.pwrite(self._descriptor, f"{generation:<20}\n".encode(), 0)
        os.fsync(self._descriptor)
        return generation


def spool_for_boot(spool_dir: Path, slot: tuple[int, int], stream: str, boot: str) -> Path:
    """Return the slot's spool for the boot `boot`. If there is none, end the earlier ones and make it.

    After a power cut, the files may lack records that are stored already. Their numbers would be given out again, and
    the new records would be taken for stored. So each boot begins a new spool, whose numbers start at 0.
    """
    node, number = slot
    earlier = []
    for path in sorted(spool_dir.glob(f"{node}-{number}-*-{stream}")):
        begun = _begun(path)
        if begun == boot:
            return path
        if begun != _ENDED:
            earlier.append(path)
    for path in earlier:
        _end(path)
    path = spool_dir / spool_id(node, number, secrets.token_hex(4), stream)
    path.mkdir(mode=0o700)
    (path / _BOOT_NAME).write_text(boot)
    sync_directory(spool_dir)
    return path


def boot_id() -> str:
    """Return an id that changes with each boot of the system. It is always the same where the system has none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"


def spool_directories(spool_dir: Path) -> list[Path]:
    """Return every spool under `spool_dir`, whether its process lives or not."""
    if not spool_dir.is_dir():
        return []
    return sorted(path for path in spool_dir.iterdir() if _SPOOL_NAME.fullmatch(path.name) and path.is_dir())


def outcome_files(spool_dir: Path) -> list[Path]:
    """Return the outcome counters of every slot."""
    return sorted(spool_dir.glob("slot-*.outcomes"))


def is_ended(spool: Path) -> bool:
    """Return whether a spool is of an earlier boot, and repaired and closed. Nothing is added to it any more."""
    return _begun(spool) == _ENDED


def _begun(spool: Path) -> str | None:
    try:
        return (spool / _BOOT_NAME).read_text()
    except FileNotFoundError:
        return None


def _end(spool: Path) -> None:
    """Repair a spool of an earlier boot and close it with an empty segment, which tells the agent its last number."""
    before = len(segments.segment_paths(spool))
    SpoolWriter(spool, _SEGMENT_BYTES).close()
    if len(segments.segment_paths(spool)) > before:  # Otherwise the disk is full, and the next start tries again.
        (spool / _BOOT_NAME).write_text(_ENDED)


def _lock_lowest(spool_dir: Path, node: int) -> tuple[int, int]:
    for number in range(SLOT_MAX + 1):
        descriptor = os.open(_lock_path(spool_dir, node, number), os.O_RDWR | os.O_CREAT, 0o600)
        if _try_lock(descriptor):
            return descriptor, number
        os.close(descriptor)
    raise SlotError(
        f"all {SLOT_MAX + 1} slots of {spool_dir} are taken; give each group of edge processes its own SPOOL_DIR"
    )


def _lock_path(spool_dir: Path, node: int, slot: int) -> Path:
    return spool_dir / f"slot-{node}-{slot}.lock"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
