"""`python -m loadtests.imports`: 100,000 links read with pydantic and with msgspec, in turn, in one process.

Needs msgspec, which Waypost itself does not use: `pip install msgspec`. Prints a table of medians and the ratio.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from time import perf_counter

from rich.console import Console
from rich.table import Table

from loadtests.imports.readers import Outcome, msgspec_reader, read_with_pydantic
from loadtests.imports.rows import make_rows

Reader = Callable[[bytes], Outcome]
_SEED = 20261125


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.imports", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    try:
        readers: dict[str, Reader] = {"pydantic": read_with_pydantic, "msgspec": msgspec_reader()}
    except ImportError:
        sys.exit("imports: msgspec is not installed; pip install msgspec")
    rows = make_rows(arguments.rows, _SEED)
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    outcomes: dict[str, Sequence[Outcome]] = {}
    for _ in range(arguments.rounds):
        for name, read in readers.items():
            began = perf_counter()
            outcomes[name] = [read(row) for row in rows]
            seconds[name].append(perf_counter() - began)
    _print(seconds, outcomes, arguments.rows)


def _print(seconds: dict[str, list[float]], outcomes: dict[str, Sequence[Outcome]], rows: int) -> None:
    table = Table(title=f"{rows:,} links, medians of {len(seconds['pydantic'])} rounds in turn")
    for heading in ("library", "seconds", "µs a row", "ratio", "bad rows", "bad fields named"):
        table.add_column(heading, justify="right" if heading != "library" else "left")
    least = min(statistics.median(taken) for taken in seconds.values())
    for name, taken in seconds.items():
        median = statistics.median(taken)
        bad = [outcome for outcome in outcomes[name] if isinstance(outcome, tuple)]
        table.add_row(
            name,
            f"{median:.2f}",
            f"{median / rows * 1e6:.1f}",
            f"{median / least:.2f}",
            f"{len(bad):,}",
            f"{sum(len(fields) for fields in bad):,}",
        )
    console = Console()
    console.print(table)
    console.print(f"Python {platform.python_version()}, {platform.python_compiler()}, {platform.machine()}")


if __name__ == "__main__":
    main()
