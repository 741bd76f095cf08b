"""The demo can fail: each thing that must not be is a sentence of its own, and nothing else is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from loadtests.demo.journeys import Kind
from loadtests.demo.merchant import Told
from loadtests.demo.proof import Balance, Evidence, Ledger
from loadtests.demo.replay import Tally
from loadtests.demo.report import failures, funnel_table, ledger_table, postback_table, verdict

BEFORE = Ledger(Balance(10, 10, 0, 0, 0), Balance(0, 0, 0, 0, 0))
AFTER = Ledger(Balance(13, 13, 0, 0, 0), Balance(2, 2, 0, 0, 0))
TALLY = Tally(answered=3, by_type=Counter({"302": 3}), click_ids=["a", "b", "c"])
TOLD = Told(sent=2, answers=Counter({(Kind.NEW, 200): 2}))
EVIDENCE = Evidence(
    checked=3,
    by_class=Counter({"valid": 2, "head": 1}),
    conversions=Counter({("ftd", "approved"): 1, ("ftd", "reversed"): 1}),
    payout_minor=Counter({("ftd", "approved"): 123456, ("ftd", "reversed"): 2500}),
)


def test_a_good_run_has_no_failures() -> None:
    assert failures(TALLY, TOLD, EVIDENCE, BEFORE, AFTER) == []
    assert verdict(Console(file=StringIO()), [], AFTER) == 0


@pytest.mark.parametrize(
    ("clicks", "says"),
    [
        (AFTER.clicks._replace(difference=1), "difference of 1"),
        (AFTER.clicks._replace(difference=-1), "difference of -1"),
        (AFTER.clicks._replace(in_flight=2), "2 click records are still in flight"),
        (AFTER.clicks._replace(declared_lost=1), "1 click records were declared lost"),
        (AFTER.clicks._replace(issued=12, stored=12), "issued fewer clicks"),
    ],
)
def test_a_bad_ledger_fails(clicks: Balance, says: str) -> None:
    problems = failures(TALLY, TOLD, EVIDENCE, BEFORE, AFTER._replace(clicks=clicks))
    assert len(problems) == 1
    assert says in problems[0]
    assert verdict(Console(file=StringIO()), problems, AFTER) == 1


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (replace(EVIDENCE, missing_clicks=["x"]), "1 click ids that the edge answered are not stored, among them x"),
        (replace(EVIDENCE, missing_postbacks=["p"]), "not stored, among them p"),
        (replace(EVIDENCE, wrong_conversions=["y"]), "other conversions than were reported, among them y"),
    ],
)
def test_a_missing_record_fails(evidence: Evidence, says: str) -> None:
    (problem,) = failures(TALLY, TOLD, evidence, BEFORE, AFTER)
    assert says in problem


def test_a_wrong_answer_fails() -> None:
    tally = replace(TALLY, unexpected=Counter({"500 without a click id": 1}))
    told = replace(TOLD, unexpected=Counter({"new ftd by get: 404 unknown-click": 2}))
    assert len(failures(tally, told, EVIDENCE, BEFORE, AFTER)) == 2


def test_the_tables_fit_into_80_columns_with_large_figures() -> None:
    output = StringIO()
    console = Console(file=output, width=80)
    large = Balance(*[10**9] * 5)
    for table in (
        funnel_table(TALLY, EVIDENCE, True),
        postback_table(TOLD),
        ledger_table(BEFORE, Ledger(large, large)),
    ):
        console.print(table)
    printed = output.getvalue()
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= 80
    assert "\u2026" not in printed
    assert "1,234.56" in printed
    assert "(25.00)" in printed
    assert "1,000,000,000" in printed
