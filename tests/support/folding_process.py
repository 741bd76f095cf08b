"""A process that folds one batch or conversion in each transaction until it is killed: `folding_process.py URL`."""

from __future__ import annotations

import sys
from functools import partial
from threading import Event
from time import time

from report_history import SETTINGS
from worker.reports.clicks import Turn, fold_some_clicks
from worker.reports.conversions import fold_some_conversions
from worker.reports.days import build_day
from worker.runtime import Database


def main(url: str) -> None:
    database = Database(url, Event())
    database.wait().execute("set application_name = 'folding-process'")
    turn = Turn(SETTINGS, time(), clicks=1, changes=1, unsettled_s=0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for step in (fold_some_clicks, partial(fold_some_conversions, most=1), build_day):
            database.run(partial(step, turn=turn))


if __name__ == "__main__":
    main(sys.argv[1])
