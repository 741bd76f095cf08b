"""A folding process that is killed with -9 in the middle leaves a report that is the rows, and the next one goes on."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psycopg
import pytest

import worker_cases as cases
from report_history import ZONE, History, begin, prepare
from report_recount import recount, reported
from waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
# More for a long run: WAYPOST_REPORT_KILLS=200; a run that failed is repeated with WAYPOST_REPORT_KILL_SEED.
KILLS = int(os.environ.get("WAYPOST_REPORT_KILLS", "4"))
SEED = int(os.environ.get("WAYPOST_REPORT_KILL_SEED", "0")) or secrets.randbits(32)
# What a fold does one after the other; it is killed in one of these, or between them.
MOMENTS = ("folding_clicks", "report_clicks_", "report_queue", "folding_conversions", "report_events_", "commit")
_ACTIVITY = (
    "select exists (select from pg_stat_activity where application_name = 'folding-process'"
    " and state <> 'idle' and lower(query) like %s)"
)
_GONE = "select not exists (select from pg_stat_activity where application_name = 'folding-process')"


@pytest.fixture
def history(database_url: str, redis_url: str) -> Iterator[History]:
    with (
        cases.installed(database_url, redis_url) as used,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        prepare(used.database.wait())
        yield begin(used, connection, Random(SEED))


@contextmanager
def folding_process(url: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that folds, which is killed at the end if it was not before."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "support" / "folding_process.py"), url],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def assert_report_is_rows(history: History, when: str) -> None:
    state = history.connection.execute("select hours_from from report_state").fetchone()
    assert state is not None
    kept, expected = reported(history.connection, ZONE, state[0]), recount(history.connection, ZONE, state[0])
    assert kept == expected, f"seed {SEED}, {when}, after {history.done}"


def test_the_report_is_the_rows_wherever_a_fold_is_killed(history: History, database_url: str) -> None:
    middle = 0
    for kill in range(KILLS):
        for step in (*["store"] * 4, "postback", "postback", "class_again", "decide", "erase"):
            history.step(step)
        moment = history.random.choice(MOMENTS)
        with folding_process(database_url) as process:
            # What waits keeps it busy; changes come in meanwhile.
            for _ in range(history.random.randrange(3)):
                history.step(history.random.choice(("class_again", "store", "postback")))
            folding = _is_in(history, moment)
            middle += folding
            process.kill()
        wait_until(lambda: history.connection.execute(_GONE).fetchone() == (True,), what="its transaction to be over")
        assert_report_is_rows(history, f"kill {kill} in {moment} ({folding})")
    sys.stdout.write(f"seed {SEED}: killed {KILLS} times, {middle} of them in a statement that was waited for\n")
    history.fold_all()
    assert_report_is_rows(history, "in the end")
    assert history.connection.execute("select count(*) from report_queue").fetchone() == (0,)


def _is_in(history: History, moment: str) -> bool:
    """Wait until the process is seen at a moment, or for some looks: it may have nothing left to do there."""
    for _ in range(history.random.choice((1, 20, 200))):
        row = history.connection.execute(_ACTIVITY, [f"%{moment}%"]).fetchone()
        if row == (True,):
            return True
    return False
