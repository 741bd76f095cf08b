"""`python -m loadtests.bench`: the click path under each server, one core each for server and load, several rounds in
turn, with 10 and with 1,000,000 links, quiet and while the mirror changes 100 times a second; and links with rules, as
shares of a plain link.

Needs wrk, and nginx for the ratio. The edge runs its whole click path: lookup, id, spool write, answer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

from loadtests.bench.contestants import FASTPYSGI, Contestant, running
from loadtests.bench.findings import (
    LARGE,
    LARGE_QUIET,
    NGINX,
    PLAIN,
    SITUATIONS,
    SMALL,
    SMALL_QUIET,
    Findings,
    Situation,
)
from loadtests.bench.load import LOAD_CORE, SKEWED, UNIFORM, paced_latencies, throughput, throughput_of_link
from loadtests.bench.mirrors import build, churn
from loadtests.bench.report import plot, save, show
from loadtests.bench.routed import DOCUMENTS, add_routed_links

_ROOT = Path(__file__).resolve().parents[2]
# Enough to compare with; it is offered for debugging only.
_SMALL_ONLY = (NGINX, "gthread")
# Not measured: the first requests of a process load code, and pages of the mirror.
_WARM_UP_S = 1
_PACED_S = 1.5
_ROUTED_S = 1


def main() -> None:
    """Measure, print, and write the result file and the plot."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--servers", nargs="*", help="only these")
    parser.add_argument("--dry", action="store_true", help="write no result file and no plot")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is not installed; on Debian and Ubuntu: apt-get install wrk nginx-light")
    servers = ["meinheld"] if find_spec("meinheld") else []
    servers += ["granian", "gthread"]
    servers += [FASTPYSGI] if find_spec(FASTPYSGI) else []
    # Last in each round, so that it can be asked at the pace of the others.
    servers += [NGINX] if shutil.which("nginx") else []
    servers = arguments.servers or servers
    found = Findings(arguments.rounds, arguments.seconds)
    # The paced client and the writer of the mirror run in this process; servers are pinned to another core.
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="waypost-bench-") as directory:
        homes = {SMALL: Path(directory) / "small", LARGE: Path(directory) / "large"}
        for links, home in homes.items():
            home.mkdir()
            found.build_s = build(home, links)
        add_routed_links(homes[SMALL], homes[SMALL] / "spool")
        found.mirror_mb = (homes[LARGE] / "mirror" / "data.mdb").stat().st_size / 1e6
        for number in range(arguments.rounds):
            for server in servers:
                sys.stderr.write(f"bench: round {number + 1} of {arguments.rounds}, {server}\n")
                for links, home in homes.items():
                    if links == SMALL or server not in _SMALL_ONLY:
                        _round(found, server, links, home)
    show(found)
    if not arguments.dry:
        sys.stderr.write(f"bench: {save(found, _ROOT / 'loadtests' / 'results')}\n")
        if not plot(found, _ROOT / "docs" / "performance.png"):
            sys.stderr.write("bench: no plot, since matplotlib or nginx is not installed\n")


def _round(found: Findings, server: str, links: int, home: Path) -> None:
    with running(server, home) as contestant:
        if server == NGINX:
            _floor(found, contestant, home)
            return
        throughput(contestant.port, (links, UNIFORM), _WARM_UP_S, home)
        for situation in SITUATIONS:
            if situation.links == links and (server not in _SMALL_ONLY or situation == SMALL_QUIET):
                found.add(server, situation, _rate(found, contestant, situation, home))
        if links == SMALL and server not in _SMALL_ONLY:
            # A second each: they are compared with each other alone.
            for slug in (PLAIN, *DOCUMENTS):
                rates = found.routed.setdefault(server, {}).setdefault(slug, [])
                rates.append(throughput_of_link(contestant.port, slug, _ROUTED_S))
        if links == LARGE:
            found.start_s.setdefault(server, []).append(contestant.start_s)
            resident, own = contestant.resident()
            found.resident_mb.setdefault(server, []).append((resident / 1e6, own / 1e6))
            rate = found.rates[server][LARGE_QUIET.name][-1] / 2
            latencies = paced_latencies(contestant.port, rate, _PACED_S, LARGE)
            found.note_latencies(server, "half of its rate", rate, latencies)


def _rate(found: Findings, contestant: Contestant, situation: Situation, home: Path) -> float:
    mix = (situation.links, SKEWED if situation.skewed else UNIFORM)
    if not situation.churn:
        return throughput(contestant.port, mix, found.seconds, home)
    with churn(home, situation.links) as changes:
        began = monotonic()
        rate = throughput(contestant.port, mix, found.seconds, home)
        found.changes_per_s.append(changes[0] / (monotonic() - began))
    return rate


def _floor(found: Findings, contestant: Contestant, home: Path) -> None:
    """Ask nginx for what the others are compared with: its rate, and its latency at its own pace and at theirs."""
    # It answers every request alike, faster than wrk can make up different ones.
    rate = throughput(contestant.port, (1, UNIFORM), found.seconds, home)
    found.add(NGINX, SMALL_QUIET, rate)
    found.note_latencies(NGINX, "half of its rate", rate / 2, paced_latencies(contestant.port, rate / 2, _PACED_S, 1))
    for server in found.start_s:
        pace = found.rates[server][LARGE_QUIET.name][-1] / 2
        found.note_latencies(NGINX, f"pace of {server}", pace, paced_latencies(contestant.port, pace, _PACED_S, 1))


if __name__ == "__main__":
    main()
