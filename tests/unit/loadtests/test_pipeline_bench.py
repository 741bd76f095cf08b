"""The pipeline's measurement measures: lag is never understated, and what it writes is what the edge would write."""

from __future__ import annotations

from pathlib import Path

import orjson

import worker_cases as cases
from config.geo import GeoDatabases
from loadtests.pipeline.__main__ import click_workers
from loadtests.pipeline.records import LINKS, payload_source
from loadtests.pipeline.report import save, table
from loadtests.pipeline.sampling import Sampler, _History
from tracking.clicks import ClickIdMint, ProcessIdentity
from tracking.spool import Batch
from tracking.visitors import visitor_key
from worker.clicks.columns import fast_rows
from worker.clicks.visitors import Visitors
from worker.spool import Rules


def test_lag_counts_from_the_look_before_the_oldest_unstored_record_was_seen() -> None:
    history = _History([10.0, 11.0, 12.0, 13.0], [0, 100, 100, 300])
    assert history.lag(300, 13.0) == 0.0
    assert history.lag(100, 13.0) == 1.0
    assert history.lag(99, 13.0) == 3.0
    assert history.lag(0, 13.0) == 3.0


def test_before_the_first_look_nothing_is_known_to_be_stored() -> None:
    sampler = object.__new__(Sampler)
    sampler.samples = []
    assert (sampler.last.written, sampler.last.stored) == (0, 0)


def test_every_record_that_is_written_is_a_click_that_a_worker_stores() -> None:
    mint = ClickIdMint([cases.KEY], ProcessIdentity(7, 3, 0))
    payload = payload_source(mint.mint)
    rules = Rules([cases.KEY], mint.mint()[1])
    visitors = Visitors(GeoDatabases(), visitor_key(cases.KEY))
    rows = fast_rows(Batch(cases.SPOOL, 0, [payload().decode() for _ in range(6000)]), rules, visitors)
    assert rows is not None
    assert len(set(rows.click_ids)) == 6000
    assert set(rows.classes) == {"valid", "head", "prefetch", "bot"}
    assert 100 < len(set(rows.link_ids)) <= LINKS


def test_the_bench_measures_what_make_up_runs_unless_told_otherwise(tmp_path: Path) -> None:
    steady = {"clicks": 6, "cpu_us_per_click": {}, "click_workers": click_workers(), "settings": {}}
    assert click_workers() >= 1
    assert (
        f"click workers: {click_workers()}; settings: the defaults." in save(tmp_path, {"steady": steady}).read_text()
    )


def test_results_are_saved_as_a_table_and_as_json_with_date_and_machine(tmp_path: Path) -> None:
    results = {
        "drain": {"clicks": 5, "cpu_us_per_click": {"agent": 1.0}, "click_workers": 3, "settings": {}},
        "steady": {"clicks": 6, "cpu_us_per_click": {}, "click_workers": 3, "settings": {"AGENT_BATCH_WAIT_MS": "50"}},
    }
    path = save(tmp_path, results)
    assert "| clicks | 5 | 6 |" in path.read_text()
    assert "click workers: 3; settings: AGENT_BATCH_WAIT_MS=50." in path.read_text()
    assert "| CPU a click, agent (us) | 1.0 | 0.0 |" in table(results)
    document = orjson.loads(path.with_suffix(".json").read_bytes())
    assert document["measurements"] == results
    assert document["date"] in path.name
    assert document["machine"]
