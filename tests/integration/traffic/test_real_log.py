"""A real access log of 5,000 requests, stored and settled: who declares a bot is one, and all have a class."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pytest

import worker_cases as cases
from real_data import REAL_DATA, needs_real_data
from tracking.spool import Click
from tracking.traffic import MINUTE_MS, TrafficLimits
from worker.clicks import store_batch
from worker.runtime import Resources
from worker.traffic import settle

LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]*)\] "(\S+) .*?" \d+ \S+ "(.*?)" "(.*)"$')
LINKS = 20
HOUR_MS = 3_600_000


@pytest.fixture
def worker(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


def logged(now_ms: int) -> list[Click]:
    """Return the log's requests as clicks, the last one an hour ago. A path is one of twenty links."""
    with gzip.open(REAL_DATA / "access.log.gz", "rt", encoding="latin-1") as file:
        found = [LINE.match(line.rstrip("\n")) for line in file]
    lines = [line.groups() for line in found if line]
    assert len(lines) == len(found)
    moments = [int(datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z").timestamp() * 1000) for _, at, *_ in lines]
    # By whole minutes, so that the requests of a minute stay together.
    shift_ms = (now_ms - HOUR_MS - max(moments)) // MINUTE_MS * MINUTE_MS
    clicks = []
    for number, ((ip, _, method, referrer, agent), moment) in enumerate(zip(lines, moments, strict=True)):
        at_ms = moment + shift_ms
        click = cases.click(
            click_id=cases.mint_at(at_ms, number % 4096),
            at_ms=at_ms,
            link_id=1 + number % LINKS,
            method="HEAD" if method == "HEAD" else "GET",
            ip=ip,
            user_agent="" if agent == "-" else agent,
            referrer="" if referrer == "-" else referrer,
        )
        clicks.append(click)
    return clicks


@needs_real_data
def test_every_declared_crawler_of_a_real_log_is_a_bot_and_gross_is_net_and_classes(worker: Resources) -> None:
    clicks = logged(worker.now_ms())
    store_batch(cases.SPOOL, 0, cases.payloads(clicks))
    settle(worker.database.run, TrafficLimits(), worker.now_ms(), lambda: True)
    rows = worker.database.wait().execute("select user_agent, method, class from clicks").fetchall()
    crawlers = re.compile(
        "googlebot|bingbot|msnbot|baiduspider|yandex|slurp|twitterbot|facebookexternalhit", re.IGNORECASE
    )
    named = [(method, kind) for agent, method, kind in rows if crawlers.search(agent)]
    assert len(named) > 500
    assert {kind for method, kind in named if method == "GET"} == {"bot"}
    classes = Counter(kind for _, _, kind in rows)
    assert classes.total() == 5000
    assert classes["head"] == sum(click.method == "HEAD" for click in clicks) == 20
    # 1,566 declare a bot, and 139 say nothing.
    assert classes["bot"] == 1705
    # One address made 108 requests in a minute and 84 in another, of which 60 count.
    assert (classes["rate"], classes["duplicate"], classes["valid"]) == (48 + 24, 140, 3063)
    counted = worker.database.wait().execute("select class, sum(clicks)::int from click_days group by 1")
    assert {kind: count for kind, count in counted if count} == dict(classes)
