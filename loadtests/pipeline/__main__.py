"""`python -m loadtests.pipeline`: runs the measurements and writes their results with date and machine.

All processes and the load share two cores. Each measurement has a new, empty stack of its own, with the settings and as
many click workers as `make up` has, unless told otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from honcho.environ import parse_procfile

from loadtests.pipeline.report import save, table
from loadtests.pipeline.scenarios import Setup, drain, requests, steady
from loadtests.pipeline.stack import ROOT, BenchError

_CORES = 2
NAMES = ("steady", "requests", "drain")


def main() -> int:
    """Run what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.pipeline", description=__doc__)
    parser.add_argument("measurements", nargs="*", help=f"some of {', '.join(NAMES)}; all when none is named")
    parser.add_argument("--rate", type=int, default=10_500, help="clicks a second of the steady stream")
    parser.add_argument("--seconds", type=int, default=60, help="how long the steady stream and the requests last")
    parser.add_argument("--count", type=int, default=1_000_000, help="clicks of the backlog")
    parser.add_argument("--workers", type=int, default=click_workers(), help="click workers; else the Procfile's")
    parser.add_argument("--connections", type=int, default=32, help="connections that send requests")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the stack")
    parser.add_argument(
        "--sql", action="append", default=[], help="a statement that first changes the stack's database"
    )
    parser.add_argument("--save", type=Path, help="directory for the dated results")
    arguments = parser.parse_args()
    wanted = arguments.measurements or NAMES
    if not set(wanted) <= set(NAMES):
        parser.error(f"there are {', '.join(NAMES)}")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    settings = dict(each.split("=", 1) for each in arguments.set)
    setup = Setup(settings, arguments.workers, arguments.sql)
    results = {}
    try:
        for name in wanted:
            if name == "steady":
                found = steady(setup, arguments.seconds, arguments.rate)
            elif name == "requests":
                found = requests(setup, arguments.seconds, arguments.connections)
            else:
                found = drain(setup, arguments.count)
            results[name] = found | {"click_workers": arguments.workers, "settings": settings, "sql": arguments.sql}
            print(table({name: results[name]}), flush=True)
    except BenchError as error:
        print(f"bench-pipeline: {error.message}", file=sys.stderr)
        return 1
    if arguments.save:
        print(f"written: {save(arguments.save, results)}")
    return 0


def click_workers() -> int:
    """Return how many click workers `make up` runs."""
    programs = parse_procfile((ROOT / "Procfile").read_text()).processes
    return sum(command.endswith("worker clicks") for command in programs.values())


if __name__ == "__main__":
    sys.exit(main())
