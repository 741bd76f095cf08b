"""`python -m loadtests.reports`: how fast reports are on roll-ups of the size of 100 million clicks.

It runs a stack of its own, writes the data set into its tables, and asks the admin API over HTTP: first while nothing
else happens, then while clicks are stored. A run that is wrong or not finished writes no result.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from loadtests.demo.stack import DemoError
from loadtests.pipeline.__main__ import click_workers
from loadtests.pipeline.stack import BenchError, Stack, running_stack
from loadtests.reports.asking import Asker, ask_all
from loadtests.reports.data_set import DataSet, until_yesterday
from loadtests.reports.generation import generate
from loadtests.reports.load import stored_clicks
from loadtests.reports.result import missed, save, table
from loadtests.reports.sizes import sizes

# Nobody is limited here, and old partitions stay.
_SETTINGS = {"REPORT_TIME_ZONE": "UTC", "REPORT_CURRENCY": "USD", "COST_CURRENCY": "USD"}


def main() -> int:
    """Measure, print, and write the results; return 1 when the run failed, 2 when something was too slow."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.reports", description=__doc__)
    parser.add_argument("--clicks", type=int, default=100_000_000, help="clicks of all days, as roll-ups")
    parser.add_argument("--raw-days", type=int, default=2, help="days whose single clicks are stored")
    parser.add_argument("--rounds", type=int, default=20, help="how often each question is asked")
    parser.add_argument("--rate", type=int, default=5_000, help="clicks a second while loaded; 0 leaves that out")
    parser.add_argument("--workers", type=int, default=click_workers(), help="click workers; else the Procfile's")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the stack")
    parser.add_argument("--note", default="", help="a sentence about the machine, for the result")
    parser.add_argument("--save", type=Path, help="directory for the dated results")
    arguments = parser.parse_args()
    settings = _SETTINGS | dict(each.split("=", 1) for each in arguments.set)
    data_set = until_yesterday(clicks=arguments.clicks, raw_days=arguments.raw_days)
    try:
        with running_stack(settings, with_edge=False) as stack:
            figures = measure(stack, data_set, arguments)
    except (BenchError, DemoError) as error:
        sys.stderr.write(f"bench-reports: {error.message}\n")
        return 1
    figures["note"] = arguments.note
    print(table(figures))
    if arguments.save:
        print(f"written: {save(arguments.save, figures)}")
    slow = missed(figures)
    for each in slow:
        print(f"too slow: {each}")
    return 2 if slow else 0


def measure(stack: Stack, data_set: DataSet, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a whole run."""
    figures: dict[str, Any] = {"about": about(data_set), "seconds": generate(stack, data_set)}
    with stack.database() as connection:
        figures["sizes"] = sizes(connection)
    asker = Asker(stack)
    figures["quiet"] = ask_all(asker, data_set, arguments.rounds)
    if arguments.rate:
        with stored_clicks(stack, arguments.rate, arguments.workers) as load:
            figures["loaded"] = ask_all(asker, data_set, arguments.rounds)
        figures["load"] = load
    return figures


def about(data_set: DataSet) -> str:
    """Say in words what the data set is."""
    raw = sum(data_set.visits_of((day + 3) % 7) for day in range(data_set.first_raw_day, data_set.last_number + 1))
    return (
        f"Roll-ups of {data_set.clicks:,} clicks in {data_set.days} days: {data_set.links:,} links (Zipf) of"
        f" {data_set.merchants} merchants and {data_set.sources} sources, {data_set.countries} countries; conversions"
        f" are {data_set.conversions_of_a_thousand / 10:.0f} % of the clicks. The {raw:,} single clicks of the last"
        f" {data_set.raw_days} days are stored too. Times are whole HTTP requests of one client."
    )


if __name__ == "__main__":
    sys.exit(main())
