"""The two kinds of simulated edge hosts: processes that only take clicks of caps, and a real edge with visitors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.postbacks.scene import ROOT, end, free_port


@dataclass
class Host:
    """One edge host: its directory, its agent, and what clicks its cap, by number."""

    home: Path
    environ: dict[str, str]
    agent: subprocess.Popen[bytes] | None = None
    clickers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def begin(self) -> None:
        """Start what lives as long as the host."""
        self.start_agent()

    def start_agent(self) -> None:
        """Start the real agent of this host."""
        self.agent = self._start("edge.agent")

    def start_clicker(self, number: int, cap_id: int, rate: float) -> None:
        """Start the process of a slot, which takes `rate` clicks a second."""
        arguments = (str(self.home / "spool"), f"0-{number}", str(self.counts(number)), str(cap_id), str(rate))
        self.clickers[number] = self._start("loadtests.caps.clicker", *arguments)

    def kill_process(self, number: int, cap_id: int, rate: float) -> None:
        """Kill the process of a slot, and start it again."""
        self.clickers[number].kill()
        self.clickers[number].wait()
        self.start_clicker(number, cap_id, rate)

    def counts(self, number: int) -> Path:
        """Return the file in which a clicker counts."""
        return self.home / f"counts-{number}"

    def end(self) -> None:
        """Stop everything of this host."""
        for process in (*self.clickers.values(), self.agent):
            if process is not None and process.poll() is None:
                end(process)

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.home / "programs.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )


@dataclass
class WebHost(Host):
    """A host with a real edge of several processes. Visitors click over HTTP."""

    port: int = 0
    edge: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start the agent and the edge."""
        super().begin()
        self.port = free_port()
        self.environ["EDGE_PORT"] = str(self.port)
        self.edge = self._start("edge")

    def start_clicker(self, number: int, cap_id: int, rate: float) -> None:
        """Start a visitor."""
        self.clickers[number] = self._start(
            "loadtests.caps.visitor", str(self.port), str(self.counts(number)), str(rate)
        )

    def kill_process(self, number: int, cap_id: int, rate: float) -> None:
        """Kill one of the edge's processes. Its server starts another one."""
        assert self.edge is not None
        children = Path(f"/proc/{self.edge.pid}/task/{self.edge.pid}/children").read_text().split()
        if children:
            with suppress(ProcessLookupError):
                os.kill(int(children[number % len(children)]), signal.SIGKILL)

    def end(self) -> None:
        """Stop everything of this host."""
        super().end()
        if self.edge is not None and self.edge.poll() is None:
            end(self.edge)
