"""`python -m loadtests.faults`: load, faults by a seed, then the account. Exit status 1 unless nothing was lost."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from secrets import randbelow

from rich.console import Console

from config.settings import EDGE_SERVERS
from loadtests.faults.report import Report, save, show
from loadtests.faults.run import Wanted, run
from loadtests.faults.stack import FaultsError

# Enough for 100,000 answered clicks and 200 kills with the edge away for a third of the time.
SECONDS, RATE, THREADS, FAULTS = 300.0, 600.0, 24, 330
SHORT_SECONDS, SHORT_RATE, SHORT_THREADS, SHORT_FAULTS = 25.0, 150.0, 8, 24
CLICKS_WANTED, KILLS_WANTED = 100_000, 200
RESULTS = Path(__file__).resolve().parents[1] / "results"


def main(arguments: list[str] | None = None) -> int:
    """Run it; return the exit status: 0 clean and large enough, 1 not, 2 it could not be run."""
    options = _options(arguments)
    console = Console(highlight=False)
    seed = options.seed if options.seed is not None else randbelow(1 << 31)
    console.print(f"seed {seed}; the same faults again: bin/faults --seed {seed}" + (" --short" * options.short))
    wanted = Wanted(
        seed, options.seconds, options.rate, options.threads, options.faults, options.server, options.keep_log
    )
    try:
        report = run(wanted, console)
    except FaultsError as error:
        console.print(f"[bold red]FAILED[/bold red] {error.message}", soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    show(report, console)
    if options.save:
        console.print(f"written to {save(report, RESULTS)}", soft_wrap=True)
    return _verdict(report, console, options.short)


def _verdict(report: Report, console: Console, short: bool) -> int:
    missing = []
    if not short and report.kills < KILLS_WANTED:
        missing.append(f"{report.kills} kills, {KILLS_WANTED} were wanted")
    if not short and report.verdict.obligations < CLICKS_WANTED:
        missing.append(f"{report.verdict.obligations:,} answered clicks, {CLICKS_WANTED:,} were wanted")
    for trouble in [*report.troubles, *missing]:
        console.print(f"[bold red]FAILED[/bold red] {trouble}", soft_wrap=True)
    if report.troubles or missing:
        return 1
    console.print(
        f"[bold green]nothing lost[/bold green] of {report.verdict.obligations:,} answered clicks "
        f"under {report.faults} faults"
    )
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay the faults and requests of an earlier run")
    parser.add_argument("--short", action="store_true", help="the run that is part of the tests")
    parser.add_argument("--seconds", type=float, help="how long faults strike")
    parser.add_argument("--rate", type=float, help="requests a second")
    parser.add_argument("--threads", type=int, help="visitors at a time")
    parser.add_argument("--faults", type=int, help="how many faults")
    parser.add_argument("--server", choices=EDGE_SERVERS, default="auto", help="EDGE_SERVER of the edge")
    parser.add_argument("--save", action="store_true", help=f"write the dated result into {RESULTS.name}/")
    parser.add_argument("--keep-log", type=Path, help="copy what all processes printed to this file")
    options = parser.parse_args(arguments)
    short = (SHORT_SECONDS, SHORT_RATE, SHORT_THREADS, SHORT_FAULTS)
    defaults = short if options.short else (SECONDS, RATE, THREADS, FAULTS)
    for name, value in zip(("seconds", "rate", "threads", "faults"), defaults, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


if __name__ == "__main__":
    sys.exit(main())
