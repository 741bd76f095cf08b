"""Says which processes run, and whether one is still the same: an id alone does not say, since ids are reused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_PROC = Path("/proc")
_ON_LINUX = (_PROC / "self" / "stat").exists()


def identity(pid: int) -> str | None:
    """Return when a process began, which no other process with its id shares. None means that it does not run."""
    if not _ON_LINUX:
        listed = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
        return listed.stdout.strip() or None
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
        boot = (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    except OSError:
        return None
    # The command's name, in parentheses, may hold anything. The state, 18 other fields and the start follow it.
    state, *fields = stat[stat.rindex(")") + 1 :].split()
    return None if state in "ZX" else f"{boot}/{fields[18]}"


def marked_with(variable: str, value: str) -> list[int]:
    """Return the processes with this environment variable, as far as the system shows them, except our own."""
    wanted = f"{variable}={value}".encode()
    found = []
    for entry in _PROC.iterdir() if _ON_LINUX else ():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if wanted in environment.split(b"\0"):
                found.append(int(entry.name))
    return found
