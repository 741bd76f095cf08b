"""Runs programs side by side: prints their lines, restarts those that stop, and stops all of them in order.

It uses honcho's Process and Printer. honcho's Manager ends all processes when one dies, which we do not want.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from honcho.colour import get_colours
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

from config.supervision.leftovers import MARK, RunRecord
from tracking.runtime import WaypostError

# Programs of this stage and later are servers with data. A second Ctrl-C does not kill them.
SERVERS = 2

_TICK_S = 0.05
_LINES_A_TICK = 500
_GROUP_GRACE_S = 3.0
_STEADY_S = 10.0
_RESTART_S = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
# While everything is being started, a program may stop this many times in a row. Later it is restarted forever.
_DEATHS_AT_START = 3


class StopRequested(Exception):  # noqa: N818 - nothing is wrong
    """Ctrl-C or SIGTERM arrived."""


class ProgramError(WaypostError):
    """A program does not start. Its own output has been printed."""

    code = "program-failed"


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run. Lower stages are stopped first. A program that runs `once` is not started again.

    Lines that contain `hidden` are not printed.
    """

    name: str
    command: str
    cwd: Path
    stage: int
    stop_signal: int = signal.SIGTERM
    stop_s: float = 12.0
    once: bool = False
    hidden: bytes | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    switch: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    """The state of one program: it runs while `pid` is set, and waits for its next start while `start_at` is set."""

    program: Program
    colour: str
    pid: int | None = None
    status: int | None = None
    began_at: float = 0.0
    deaths: int = 0
    start_at: float | None = None
    orphans_since: float | None = None
    stopping: bool = False


class Supervisor:
    """Runs the programs. Use it from the main thread only: a thread for each process just reads its lines."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._events: queue.Queue[Message] = queue.Queue()
        self._printer = Printer(sys.stdout, width=10)
        self._colours = get_colours()
        self._runs: dict[str, _Run] = {}
        self._requests = 0

    def catch_signals(self) -> None:
        """Make Ctrl-C, SIGTERM and a lost terminal raise StopRequested from `wait_until` and `run_forever`."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request_stop)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._request_stop)

    def start(self, program: Program) -> None:
        """Start a program. Its lines and its end are only handled while one of the waiting functions runs."""
        run = self._runs[program.name] = _Run(program, next(self._colours))
        self._launch(run)

    def pid(self, name: str) -> int | None:
        """Return the process id of a program, or None while it does not run."""
        return self._runs[name].pid

    def status(self, name: str) -> int | None:
        """Return the last exit status of a program, or None while it has not ended."""
        return self._runs[name].status

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Run until `condition` holds. Raise StopRequested, or ProgramError if one keeps stopping or time is up."""
        deadline = monotonic() + timeout_s
        while not condition():
            self._tick()
            if self._requests:
                raise StopRequested
            for run in self._runs.values():
                if run.deaths >= _DEATHS_AT_START:
                    raise ProgramError(f"{run.program.name} stops as soon as it is started; what it said is above")
            if monotonic() > deadline:
                raise ProgramError(f"waited {timeout_s:g} s in vain for {what}")

    def run_forever(self) -> None:
        """Keep everything running, and raise StopRequested when a stop is requested."""
        while not self._requests:
            self._tick()
        raise StopRequested

    def stop(self) -> None:
        """Stop everything stage by stage and return when no process is left. Another Ctrl-C kills all but servers."""
        requests = self._requests
        for stage in sorted({run.program.stage for run in self._runs.values()}):
            runs = [run for run in self._runs.values() if run.program.stage == stage]
            deadline = monotonic() + max(run.program.stop_s for run in runs)
            for run in runs:
                run.stopping, run.start_at = True, None
            asked: set[int] = set()
            while any(self._is_active(run) for run in runs):
                late = monotonic() > deadline or (self._requests > requests and stage < SERVERS)
                for run in runs:
                    self._ask(run, asked, late)
                self._tick()

    def say(self, line: str) -> None:
        """Print a line of our own among the lines of the programs."""
        self._print(Message(type="line", data=line, time=_now(), name="waypost", colour=None))

    def _request_stop(self, number: int, frame: object) -> None:
        self._requests += 1

    def _is_active(self, run: _Run) -> bool:
        return run.pid is not None or (run.status is None and run.began_at > 0)

    def _ask(self, run: _Run, asked: set[int], late: bool) -> None:
        if run.pid is None:
            return
        with suppress(ProcessLookupError):
            if late:
                os.killpg(run.pid, signal.SIGKILL)
            elif run.pid not in asked:
                asked.add(run.pid)
                os.kill(run.pid, run.program.stop_signal)

    def _launch(self, run: _Run) -> None:
        program = run.program
        process = Process(program.command, name=program.name, colour=run.colour, cwd=str(program.cwd))
        process.env.update(program.environment)
        process.env[MARK] = self._record.mark
        process._child_ctor = partial(Popen, stdin=subprocess.DEVNULL, **program.switch)  # honcho's own seam
        run.status, run.start_at, run.orphans_since, run.began_at = None, None, None, monotonic()
        threading.Thread(target=self._relay, args=(process,), name=program.name, daemon=True).start()

    def _relay(self, process: Process) -> None:
        try:
            process.run(self._events)
        except OSError as error:
            now = _now()
            self._events.put(Message("line", f"cannot be started: {error}".encode(), now, process.name, process.colour))
            self._events.put(Message("stop", {"returncode": 127}, now, process.name, process.colour))

    def _tick(self) -> None:
        """Handle what happened. This waits a moment for something to happen."""
        with suppress(queue.Empty):
            self._handle(self._events.get(timeout=_TICK_S))
            for _ in range(_LINES_A_TICK):
                self._handle(self._events.get_nowait())
        now = monotonic()
        for run in self._runs.values():
            if run.pid is not None:
                self._end_orphans(run, run.pid, now)
            elif run.start_at is not None and now >= run.start_at:
                self._launch(run)

    def _handle(self, message: Message) -> None:
        run = self._runs[message.name]
        hidden = run.program.hidden
        if message.type == "line":
            if hidden is None or hidden not in message.data:
                self._print(message)
        elif message.type == "start":
            run.pid = message.data["pid"]
            self._record.began(run.program.name, run.pid, run.program.stop_signal, run.program.stage)
        else:
            self._ended(run, message.data["returncode"])

    def _ended(self, run: _Run, status: int) -> None:
        run.pid, run.status = None, status
        self._record.ended(run.program.name)
        if run.stopping or run.program.once:
            return
        lived_s = monotonic() - run.began_at
        run.deaths = 1 if lived_s > _STEADY_S else run.deaths + 1
        delay_s = _RESTART_S[min(run.deaths, len(_RESTART_S)) - 1]
        run.start_at = monotonic() + delay_s
        self.say(f"{run.program.name} stopped (status {status}); starting it again in {delay_s:g} s")

    def _end_orphans(self, run: _Run, pid: int, now: float) -> None:
        """End the processes that a dead leader left in its group: they may hold the port, and they hold honcho's pipe.

        The leader stays a zombie until then, so nobody else can have its id, which is also the group's id.
        """
        if not hasattr(os, "waitid"):  # macOS before Python 3.13: honcho notices the end when the pipe closes.
            return
        try:
            dead = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return  # It was reaped already, and the message is in the queue.
        if dead:
            first = run.orphans_since is None
            run.orphans_since = run.orphans_since or now
            if first or now - run.orphans_since > _GROUP_GRACE_S:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGTERM if first else signal.SIGKILL)

    def _print(self, message: Message) -> None:
        with suppress(OSError):  # The terminal may be gone, which must not stop anything.
            self._printer.write(message)


def _now() -> datetime:
    return datetime.now().astimezone()
