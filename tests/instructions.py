"""Counts the machine instructions of a call, and the code they lie in, by single steps: a busy machine changes nothing.

A child marks each call with a signal before and after; the parent steps through what lies between. Linux on x86-64.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

AVAILABLE = sys.platform == "linux" and platform.machine() == "x86_64"
_TRACE_ME, _CONTINUE, _STEP, _GET_REGISTERS = 0, 7, 9, 12
# The place of the instruction pointer in Linux's `struct user_regs_struct`, of 27 words.
_POINTER, _REGISTERS = 16, 27
_MARK = signal.SIGUSR1
_WARM_UP = 3000
_libc = ctypes.CDLL(None)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class Footprint(NamedTuple):
    """What one call ran: how many instructions, in how many lines of 64 bytes of code, on how many pages of 4 kB."""

    instructions: int
    lines: int
    pages: int


def mark(calls: Sequence[Callable[[], object]]) -> None:
    """In the child: run each call warm, then once between two marks. Exits 1 where tracing is not allowed."""
    if _libc.ptrace(_TRACE_ME, 0, None, None) != 0:
        sys.exit(1)
    signal.signal(_MARK, signal.SIG_IGN)
    gc.disable()
    this, kill = os.getpid(), os.kill
    for call in calls:
        for _ in range(_WARM_UP):
            call()
        kill(this, _MARK)
        call()
        kill(this, _MARK)


def footprints(command: Sequence[str], cwd: Path) -> list[Footprint]:
    """Run a command that calls `mark`; return what each call ran, or nothing where tracing is not allowed."""
    processors = os.sched_getaffinity(0)
    # On one processor a step costs a switch; on two, waking the other one, ten times as long.
    os.sched_setaffinity(0, {min(processors)})
    try:
        return _step_through(command, cwd)
    finally:
        os.sched_setaffinity(0, processors)


def _step_through(command: Sequence[str], cwd: Path) -> list[Footprint]:
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL) as process:
        found: list[Footprint] = []
        registers = (ctypes.c_ulonglong * _REGISTERS)()
        places: list[int] = []
        stepping = False
        _, status = os.waitpid(process.pid, 0)
        while os.WIFSTOPPED(status):
            passed_on = 0
            stopped_by = os.WSTOPSIG(status)
            if stopped_by == _MARK:
                stepping = not stepping
                if not stepping:
                    found.append(Footprint(len(places), len({p >> 6 for p in places}), len({p >> 12 for p in places})))
                places = []
            elif stopped_by == signal.SIGTRAP and stepping:
                _libc.ptrace(_GET_REGISTERS, process.pid, None, ctypes.byref(registers))
                places.append(registers[_POINTER])
            else:
                passed_on = stopped_by
            _libc.ptrace(_STEP if stepping else _CONTINUE, process.pid, None, passed_on)
            _, status = os.waitpid(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return found
