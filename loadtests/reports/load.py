"""Stores clicks at a steady rate while the questions are asked, and says how far storing lagged."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

from loadtests.pipeline.sampling import Sampler
from loadtests.pipeline.stack import SHIPPING, STORING, BenchError, Stack

_SETTLE_S = 120.0
_AT_MOST_S = 3600
# Of so many clicks, one repeats the click before. Without it, all would be duplicates of 5,000 visits.
_NEW_VISITORS_OF = "33"
_UNFOLDED = "select coalesce(extract(epoch from now() - min(noted_at)), 0) from report_queue"


@contextmanager
def stored_clicks(stack: Stack, rate: int, workers: int) -> Iterator[dict[str, Any]]:
    """Write `rate` clicks a second into the spools; the yielded figures are complete after the block.

    Raises BenchError when a click is not stored in the end, or when the load ended before the block did.
    """
    figures: dict[str, Any] = {"rate": rate}
    for _ in range(workers):
        stack.begin(*STORING)
    stack.begin(*SHIPPING)
    with Sampler(stack) as sampler:
        amount = ("--count", str(rate * _AT_MOST_S), "--rate", str(rate), "--new-visitors-of", _NEW_VISITORS_OF)
        writer = stack.begin("-m", "loadtests.pipeline.writer", *amount)
        _await(lambda: sampler.last.stored > 10 * rate, stack, "the first clicks to be stored")
        began_at, first = monotonic(), sampler.last
        yield figures
        if writer.poll() is not None:
            raise BenchError("the load ended before the questions did")
        last = sampler.last
        figures["unfolded_s"] = _unfolded_s(stack)
        _stop(stack, writer)
        written = _settled(sampler)
        _await(lambda: sampler.last.stored >= written, stack, f"{written} clicks to be stored")
    during = [sample.lag_s for sample in sampler.samples if sample.at >= began_at]
    figures |= {
        "seconds": last.at - first.at,
        "stored_per_s": (last.stored - first.stored) / (last.at - first.at),
        "lag_p50_s": sorted(during)[len(during) // 2],
        "lag_max_s": max(during),
        "clicks": written,
    }
    if figures["stored_per_s"] < 0.9 * rate:
        raise BenchError(f"only {figures['stored_per_s']:.0f} of {rate} clicks a second were stored")


def _stop(stack: Stack, writer: subprocess.Popen[bytes]) -> None:
    """End the load early: it was asked for an hour's clicks."""
    writer.kill()
    writer.wait()
    stack.programs.remove(writer)


def _settled(sampler: Sampler) -> int:
    """Return how many records the spools hold, now that nobody writes."""
    seen = len(sampler.samples)
    while len(sampler.samples) < seen + 4:
        sleep(0.1)
    return sampler.last.written


def _unfolded_s(stack: Stack) -> float:
    """Return how old the oldest batch is that is not in the roll-ups yet."""
    with stack.database() as connection:
        row = connection.execute(_UNFOLDED).fetchone()
    assert row is not None
    return float(str(row[0]))


def _await(condition: Callable[[], bool], stack: Stack, what: str) -> None:
    deadline = monotonic() + _SETTLE_S
    while not condition():
        stack.check()
        if monotonic() > deadline:
            raise BenchError(f"waited {_SETTLE_S:.0f} s in vain for {what}")
        sleep(0.1)
