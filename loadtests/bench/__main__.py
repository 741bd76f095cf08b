"""`python -m loadtests.bench`: the click path under each server, one core each for server and load, several rounds in
turn, with 10 and with 1,000,000 links, quiet and while the mirror changes 100 times a second.

Needs wrk, and nginx for the ratio. The edge runs its whole click path: lookup, id, spool write, answer.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

from loadtests.bench.contestants import FASTPYSGI, Contestant, running
from loadtests.bench.load import paced_latencies, throughput
from loadtests.bench.mirrors import build, churn
from loadtests.bench.report import CHURN, LARGE, QUIET, SMALL, Findings, plot, save, show, situation

_ROOT = Path(__file__).resolve().parents[2]
# Enough to compare with; it is offered for debugging only.
_SMALL_ONLY = ("nginx", "gthread")


def main() -> None:
    """Measure, print, and write the result file and the plot."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--servers", nargs="*", help="only these")
    parser.add_argument("--dry", action="store_true", help="write no result file and no plot")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is not installed; on Debian and Ubuntu: apt-get install wrk nginx-light")
    servers = ["nginx"] if shutil.which("nginx") else []
    servers += ["meinheld"] if find_spec("meinheld") else []
    servers += ["granian", "gthread"]
    servers += [FASTPYSGI] if find_spec(FASTPYSGI) else []
    servers = arguments.servers or servers
    found = Findings(arguments.rounds, arguments.seconds)
    with tempfile.TemporaryDirectory(prefix="waypost-bench-") as directory:
        homes = {SMALL: Path(directory) / "small", LARGE: Path(directory) / "large"}
        for links, home in homes.items():
            home.mkdir()
            found.build_s = build(home, links)
        for _ in range(arguments.rounds):
            for server in servers:
                for links, home in homes.items():
                    if links == SMALL or server not in _SMALL_ONLY:
                        _round(found, server, links, home)
    show(found)
    if not arguments.dry:
        sys.stderr.write(f"bench: {save(found, _ROOT / 'loadtests' / 'results')}\n")
        if not plot(found, _ROOT / "docs" / "performance.png"):
            sys.stderr.write("bench: no plot, since matplotlib is not installed\n")


def _round(found: Findings, server: str, links: int, home: Path) -> None:
    with running(server, home) as contestant:
        # nginx answers every request alike, faster than wrk can make up different ones.
        rate = throughput(contestant.port, 1 if server == "nginx" else links, found.seconds, home)
        found.add(server, situation(links, QUIET), rate)
        if server in _SMALL_ONLY:
            return
        with churn(home) as changes:
            began = monotonic()
            found.add(server, situation(links, CHURN), throughput(contestant.port, links, found.seconds, home))
            found.changes_per_s.append(changes[0] / (monotonic() - began))
        if links == LARGE:
            _look(found, server, contestant, rate)


def _look(found: Findings, server: str, contestant: Contestant, rate: float) -> None:
    """Note what one look a round is enough for. The last round's stands, but for the start, which is a median."""
    found.start_s.setdefault(server, []).append(contestant.start_s)
    resident, own = contestant.resident()
    found.resident_mb[server], found.anonymous_mb[server] = resident / 1e6, own / 1e6
    latencies = paced_latencies(contestant.port, rate / 2, found.seconds / 2, LARGE)
    found.p99_ms[server] = statistics.quantiles(latencies, n=100)[98]
    found.paced_per_s[server] = rate / 2


if __name__ == "__main__":
    main()
