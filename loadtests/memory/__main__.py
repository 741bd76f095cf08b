"""`python -m loadtests.memory`: one edge process answers millions of clicks under each server; how much does it grow?

Needs wrk. The clicks come over connections that are made anew for each sample, with links and parameters at random. The
spool has no agent here, so full segments are removed as they would be once stored.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from loadtests.bench.contestants import Contestant, running
from loadtests.bench.mirrors import HOST, build

_RESULTS = Path(__file__).resolve().parents[1] / "results"
_LINKS = 10_000
_SAMPLE_S = 10
_SCRIPT = """
math.randomseed(os.time())
local letters = string.rep("x", 1500)
request = function()
  local query = "sub1=" .. math.random(1e9) .. "&y=" .. letters:sub(1, math.random(1500))
  return wrk.format("GET", "/click/link" .. math.random(__LINKS__) .. "?" .. query)
end
""".replace("__LINKS__", str(_LINKS))


class Sample(NamedTuple):
    """After so many answered requests: megabytes of the process's own memory (RssAnon)."""

    requests: int
    own_mb: float


def main() -> None:
    """Measure, print, and write the result file."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.memory", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000_000, help="of each server")
    parser.add_argument("--servers", nargs="*", help="only these")
    arguments = parser.parse_args()
    # So that the server that was started is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if shutil.which("wrk") is None:
        sys.exit("memory: wrk is not installed; on Debian and Ubuntu: apt-get install wrk")
    servers = arguments.servers or [*(["meinheld"] if find_spec("meinheld") else []), "granian"]
    began_at = datetime.now(UTC)
    found = {server: measure(server, arguments.requests) for server in servers}
    show(found)
    content = {
        "command": f"python -m loadtests.memory --requests {arguments.requests}",
        "at": began_at,
        "python": platform.python_version(),
        "samples": {server: [sample._asdict() for sample in samples] for server, samples in found.items()},
    }
    path = _RESULTS / f"memory-{began_at:%Y-%m-%d-%H%M}.json"
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))
    sys.stderr.write(f"memory: {path}\n")


def measure(server: str, requests: int) -> list[Sample]:
    """Return a sample for every ten seconds of load, until `requests` are answered."""
    with tempfile.TemporaryDirectory(prefix="waypost-memory-") as directory:
        home = Path(directory)
        build(home, _LINKS)
        script = home / "links.lua"
        script.write_text(_SCRIPT)
        with running(server, home) as contestant:
            samples = [Sample(0, _own_mb(contestant))]
            while samples[-1].requests < requests:
                answered = samples[-1].requests + _load(contestant.port, script)
                _remove_full_segments(home)
                samples.append(Sample(answered, _own_mb(contestant)))
                sys.stderr.write(f"\rmemory: {server} {answered:,} requests, {samples[-1].own_mb:.1f} MB ")
            sys.stderr.write("\n")
            return samples


def growth(samples: list[Sample]) -> float:
    """Return megabytes gained in the second half of the requests; the first half fills caches and free lists."""
    half = samples[-1].requests / 2
    return samples[-1].own_mb - next(sample.own_mb for sample in samples if sample.requests >= half)


def show(found: dict[str, list[Sample]]) -> None:
    """Print the table."""
    table = Table("server", "requests", "own MB at first", "after 1/10", "after half", "at the end", "2nd half")
    for server, samples in found.items():
        total = samples[-1].requests
        at = [next(each.own_mb for each in samples if each.requests >= total * share) for share in (0, 0.1, 0.5, 1)]
        table.add_row(server, f"{total:,}", *(f"{value:.1f}" for value in at), f"{growth(samples):+.1f}")
    Console().print(table)


def _load(port: int, script: Path) -> int:
    command = ["wrk", "-t1", "-c32", f"-d{_SAMPLE_S}s", "-s", str(script), "-H", f"Host: {HOST}"]
    output = subprocess.run([*command, f"http://127.0.0.1:{port}"], check=True, capture_output=True, text=True).stdout
    answered = re.search(r"(\d+) requests in", output)
    if "Non-2xx" in output or answered is None:
        raise RuntimeError(f"wrk was refused or printed no count:\n{output}")
    return int(answered[1])


def _own_mb(contestant: Contestant) -> float:
    return contestant.resident()[1] / 1e6


def _remove_full_segments(home: Path) -> None:
    """Do what the agent does once a segment is stored: remove all but the newest."""
    for spool in (home / "spool").iterdir():
        if spool.is_dir():
            for segment in sorted(spool.glob("*.seg"))[:-1]:
                segment.unlink()


if __name__ == "__main__":
    main()
