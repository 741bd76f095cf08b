"""The pipeline's measurement measures: lag is never understated, and what it writes is what the edge would write."""

from __future__ import annotations

from pathlib import Path

import orjson

import worker_cases as cases
from loadtests.pipeline.records import LINKS, payload_source
from loadtests.pipeline.report import save, table
from loadtests.pipeline.sampling import Sampler, _History
from tracking.click_id import ClickIdMint, ProcessIdentity
from worker.click_rows import Rules, click_row


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
    rows = [click_row(payload().decode(), cases.SPOOL, number, rules) for number in range(6000)]
    assert len({row.click_id for row in rows}) == 6000
    assert {row.kind for row in rows} == {"valid", "head", "prefetch"}
    assert 100 < len({row.link_id for row in rows}) <= LINKS


def test_results_are_saved_as_a_table_and_as_json_with_date_and_machine(tmp_path: Path) -> None:
    results = {
        "drain": {"clicks": 5, "cpu_us_per_click": {"agent": 1.0}},
        "steady": {"clicks": 6, "cpu_us_per_click": {}},
    }
    path = save(tmp_path, results)
    assert "| clicks | 5 | 6 |" in path.read_text()
    assert "| CPU a click, agent (us) | 1.0 | 0.0 |" in table(results)
    document = orjson.loads(path.with_suffix(".json").read_bytes())
    assert document["measurements"] == results
    assert document["date"] in path.name
    assert document["machine"]
