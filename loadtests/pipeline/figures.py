"""What is reported of one measurement, worked out from its samples and from the database afterwards."""

from __future__ import annotations

from statistics import quantiles
from typing import Any, NamedTuple

from loadtests.pipeline.expense import Expense
from loadtests.pipeline.sampling import Sample
from loadtests.pipeline.stack import BenchError, Stack

Figures = dict[str, Any]
_ROWS = (
    "select count(*), count(distinct click_id), (select coalesce(sum(clicks), 0)::bigint from click_days),"
    " percentile_cont(array[0.5, 0.99, 1]) within group (order by extract(epoch from stored_at - clicked_at)::float8)"
    " from clicks"
)


class Run(NamedTuple):
    """One measurement: when its load began, how long it lasted, how many clicks it was, and what was seen meanwhile."""

    began_at: float
    seconds: float
    clicks: int
    samples: list[Sample]
    spent: Expense


def figures(stack: Stack, run: Run) -> Figures:
    """Return the figures of a run, or raise BenchError when a click is missing or was stored twice."""
    with stack.database() as connection:
        row = connection.execute(_ROWS).fetchone()
    assert row is not None
    rows, distinct, counted, delays = row
    written = run.samples[-1].written
    if not rows == distinct == counted == written:
        raise BenchError(f"{written} clicks were written; stored are {rows} rows, {distinct} ids, {counted} by day")
    lags = sorted(sample.lag_s for sample in run.samples if sample.at <= run.began_at + run.seconds)
    spent, clicks = run.spent, run.clicks
    return {
        "clicks": clicks,
        "seconds": run.seconds,
        "offered_per_s": clicks / run.seconds,
        "stored_per_s": _rate(run),
        "middle_per_s": _middle_rate(run.samples),
        "lag_p50_s": lags[len(lags) // 2],
        "lag_p99_s": quantiles(lags, n=100)[98],
        "lag_max_s": lags[-1],
        "clicked_to_stored_s": [float(each) for each in delays],  # type: ignore[attr-defined]
        "redis_commands_per_click": sum(spent.commands.values()) / clicks,
        "redis_commands": dict(spent.commands.most_common(12)),
        "heap_bytes_per_click": spent.heap_bytes / clicks,
        "index_bytes_per_click": spent.index_bytes / clicks,
        "toast_bytes_per_click": spent.toast_bytes / clicks,
        "wal_bytes_per_click": spent.wal_bytes / clicks,
        "wal_page_images_bytes_per_click": spent.wal_images_bytes / clicks,
        "cores": {name: seconds / sum(spent.cores_s.values()) for name, seconds in spent.cores_s.items()},
        "cpu_us_per_click": {name: 1e6 * seconds / clicks for name, seconds in spent.cpu_s.most_common()},
    }


def _rate(run: Run) -> float:
    """Return clicks stored a second from the beginning of the load to its end, or to the last click stored."""
    before = next((each for each in run.samples if each.at >= run.began_at), run.samples[0])
    during = [each for each in run.samples if each.at <= run.began_at + run.seconds]
    return (during[-1].stored - before.stored) / (during[-1].at - run.began_at)


def _middle_rate(samples: list[Sample]) -> float:
    """Return clicks stored a second between a tenth and nine tenths of all, without the processes' starting."""
    total = samples[-1].stored
    low = next(each for each in samples if each.stored >= total * 0.1)
    high = next(each for each in samples if each.stored >= total * 0.9)
    return (high.stored - low.stored) / max(high.at - low.at, 1e-9)
