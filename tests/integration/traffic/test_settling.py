"""Whatever the order in which batches arrive and are settled, the classes are those of the whole history."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import worker_cases as cases
from tracking.spool import Click
from tracking.traffic import TrafficLimits
from traffic_definition import settled
from worker.clicks import store_batch
from worker.runtime import Resources
from worker.traffic import settle

HOUR_MS = 3_600_000
SPOOLS = ("7-0-3fa9c1d2-clicks", "7-1-3fa9c1d3-clicks")
LIMITS = TrafficLimits(duplicate_window_s=10, per_address_per_minute=3, unique_window_hours=1)
ADDRESSES = ("192.0.2.7", "192.0.2.8", "")
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Mozilla/5.0 (iPhone) Safari/604.1")
FAR_MS = 400 * 24 * HOUR_MS

# Moments in ms after the start: close together, on both sides of a minute's and an hour's end.
MOMENTS = st.one_of(
    st.integers(0, 130_000),
    st.integers(0, 12).map(lambda n: n * 5000),
    st.integers(HOUR_MS - 12_000, HOUR_MS + 12_000),
    st.integers(2 * HOUR_MS, 2 * HOUR_MS + 15_000),
)
REQUESTS = st.tuples(
    MOMENTS,
    st.sampled_from(ADDRESSES),
    st.sampled_from(AGENTS),
    st.sampled_from((1, 2)),
    st.sampled_from(("GET", "GET", "GET", "HEAD")),
)


@pytest.fixture
def worker(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


GENERATIONS = count()


def request(at_ms: int, ip: str = ADDRESSES[0], agent: str = AGENTS[0], link_id: int = 1, method: str = "GET") -> Click:
    click_id = cases.mint_at(at_ms, next(GENERATIONS) % 4096)
    return cases.click(click_id=click_id, at_ms=at_ms, ip=ip, user_agent=agent, link_id=link_id, method=method)


def settle_all(worker: Resources, limits: TrafficLimits = LIMITS, now_ms: int | None = None) -> int:
    return settle(worker.database.run, limits, now_ms or worker.now_ms() + FAR_MS, lambda: True)


def stored(worker: Resources) -> dict[str, tuple[str, bool]]:
    rows = worker.database.wait().execute("select click_id::text, class, is_unique from clicks")
    return {click_id: (kind, unique) for click_id, kind, unique in rows}


def assert_counts_agree(worker: Resources) -> None:
    """Gross = net + the other classes on every day and link, and the day counts are those of the rows."""
    connection = worker.database.wait()
    counted = connection.execute(
        "select day, link_id, class, clicks, uniques from click_days where clicks <> 0 or uniques <> 0 order by 1, 2, 3"
    ).fetchall()
    assert (
        counted
        == connection.execute(
            "select (clicked_at at time zone 'UTC')::date, link_id, class, count(*), count(*) filter (where is_unique)"
            " from clicks group by 1, 2, 3 order by 1, 2, 3"
        ).fetchall()
    )


def own_class(click: Click) -> str:
    # An unknown address has no visitor, so it is never more than one click of its own.
    return "head" if click.method == "HEAD" else "valid"


def expected(clicks: list[Click], limits: TrafficLimits = LIMITS) -> dict[str, tuple[str, bool]]:
    known = settled([(click, own_class(click)) for click in clicks if click.ip], limits)
    nobody = {c.click_id: (own_class(c), own_class(c) == "valid") for c in clicks if not c.ip}
    return known | nobody


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(REQUESTS, min_size=1, max_size=40), seed=st.integers(0, 2**32))
def test_any_order_of_batches_and_settling_comes_to_the_classes_of_the_whole_history(
    history: list[tuple[Any, ...]], seed: int, worker: Resources
) -> None:
    random = Random(seed)
    for table in ("clicks", "click_days", "spool_progress", "settling", "settling_minutes"):
        worker.database.wait().execute(f"truncate {table}")
    worker.database.wait().execute("update settling_state set settled = default")
    start_ms = worker.now_ms() // HOUR_MS * HOUR_MS - 5 * HOUR_MS
    clicks = [request(start_ms + at, *rest) for at, *rest in history]
    batches = _batches(clicks, random)
    batches += random.sample(batches, random.randint(0, len(batches)))
    random.shuffle(batches)
    for spool_id, first, part in batches:
        store_batch(spool_id, first, cases.payloads(part))
        assert_counts_agree(worker)
        if random.random() < 0.4:
            settle_all(worker, now_ms=start_ms + random.randint(0, 3 * HOUR_MS))
            assert_counts_agree(worker)
    settle_all(worker)
    assert stored(worker) == expected(clicks)
    assert_counts_agree(worker)
    assert settle_all(worker) == 0


def _batches(clicks: list[Click], random: Random) -> list[tuple[str, int, list[Click]]]:
    """Return the clicks in spools of two processes, each cut into batches."""
    made = []
    spools: dict[str, list[Click]] = {spool_id: [] for spool_id in SPOOLS}
    for click in clicks:
        spools[random.choice(SPOOLS)].append(click)
    for spool_id, records in spools.items():
        at = 0
        while at < len(records):
            size = random.randint(1, 8)
            made.append((spool_id, at, records[at : at + size]))
            at += size
    return made
