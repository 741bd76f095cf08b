"""`python -m loadtests.reports.engine_prototype`: a day of clicks as Parquet, many days made of it, and DuckDB.

All of it runs on this machine. The figures for a billion rows are a line through two sizes, not a measurement.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from loadtests.pipeline.stack import BenchError, running_stack
from loadtests.reports.data_set import until_yesterday
from loadtests.reports.engine_prototype.partitions import export_day, make_conversions, multiply, rewrite_day
from loadtests.reports.engine_prototype.questions import QUESTIONS
from loadtests.reports.engine_prototype.report import Findings, save, table
from loadtests.reports.raw_clicks import write_raw_clicks
from loadtests.reports.scene import make_scene
from loadtests.reports.visits import make_visits

_TIMES = 3
_MEMORY = "4GB"


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.reports.engine_prototype", description=__doc__)
    parser.add_argument("--clicks-a-day", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=16, help="an even number; half of them are asked first")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", type=Path, help="directory for the dated results")
    arguments = parser.parse_args()
    try:
        import duckdb
    except ImportError:
        sys.stderr.write("engine_prototype: DuckDB is not installed: pip install --group bench\n")
        return 1
    with TemporaryDirectory(prefix="waypost-engine-") as directory:
        engine = duckdb.connect(config={"threads": arguments.threads, "memory_limit": _MEMORY})
        engine.execute("set timezone = 'UTC'")
        engine.execute(f"set temp_directory = '{directory}/spilled'")
        try:
            found = measure(engine, Path(directory), arguments.clicks_a_day, arguments.days)
        except BenchError as error:
            sys.stderr.write(f"engine_prototype: {error.message}\n")
            return 1
    found["engine"] = f"DuckDB {duckdb.__version__}, {arguments.threads} threads, {_MEMORY} of memory"
    print(table(found))
    if arguments.save:
        print(f"written: {save(arguments.save, found)}")
    return 0


def measure(engine: Any, directory: Path, clicks_a_day: int, days: int) -> Findings:
    """Return what loading, storing, asking and changing cost."""
    # A Monday has more clicks than an average day.
    data_set = until_yesterday(clicks=7 * clicks_a_day, days=7, raw_days=1)
    with running_stack({}, with_edge=False) as stack, stack.database() as connection:
        make_scene(connection, data_set)
        make_visits(connection, data_set)
        write_raw_clicks(connection, data_set)
        size = connection.execute(
            "select sum(pg_total_relation_size(inhrelid)) from pg_inherits where inhparent = 'clicks'::regclass"
        ).fetchone()
        exported, load_s = export_day(connection, engine, directory)
    assert size is not None
    multiply(engine, directory, days)
    make_conversions(engine, directory)
    files = sorted(directory.glob("day-*.parquet"))
    half = ask(engine, directory, files[: days // 2])
    whole = ask(engine, directory, files)
    return {
        "rows": exported * days,
        "half_rows": exported * (days // 2),
        "postgres_bytes_a_row": int(str(size[0])) / exported,
        "bytes_a_row": sum(file.stat().st_size for file in files) / (exported * days),
        "conversion_bytes_a_row": (directory / "conversions.parquet").stat().st_size / (exported * days / 100),
        "load_us_a_row": {name: 1e6 * seconds / exported for name, seconds in load_s.items()},
        "rewrite_us_a_row": 1e6 * rewrite_day(engine, directory) / exported,
        "half_s": half,
        "whole_s": whole,
    }


def ask(engine: Any, directory: Path, files: list[Path]) -> dict[str, float]:
    """Return the seconds of each question over some files: the median of three."""
    places = {
        "clicks": f"read_parquet({[str(file) for file in files]})",
        "conversions": f"'{directory}/conversions.parquet'",
    }
    found = {}
    for name, question in QUESTIONS.items():
        seconds = []
        for _ in range(_TIMES):
            began = perf_counter()
            rows = engine.execute(question.format(**places)).fetchall()
            seconds.append(perf_counter() - began)
            if not rows:
                raise BenchError(f"{name}: no rows, so the question or the data is wrong")
        found[name] = median(seconds)
    return found


if __name__ == "__main__":
    sys.exit(main())
