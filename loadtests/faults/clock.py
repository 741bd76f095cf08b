"""A wall clock that can be stepped for some processes only: a few lines of C, compiled for the run and preloaded.

libfaketime would do, but sleeps fail under it (EINVAL from clock_nanosleep, which Python 3.11 sleeps with).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("stepped_clock.c")
_NS = 1_000_000_000


class SteppedClock:
    """The clock of one run. `environment` is what a program needs to live by it."""

    def __init__(self, directory: Path, library: Path) -> None:
        self._file = directory / "clock"
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(self._file)}
        self.offset_s = 0

    def step(self, offset_s: int) -> None:
        """Set the clock this far from the kernel's. One aligned write, so that no reader sees half of it."""
        with self._file.open("r+b", buffering=0) as file:
            file.write((offset_s * _NS).to_bytes(8, "little", signed=True))
        self.offset_s = offset_s


def stepped_clock(directory: Path) -> SteppedClock | None:
    """Return a clock of its own for a run, None where no C compiler makes one."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = directory / "stepped_clock.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
    if subprocess.run(command, capture_output=True).returncode:
        return None
    return SteppedClock(directory, library)
