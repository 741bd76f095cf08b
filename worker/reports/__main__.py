"""`python -m worker.reports check|check --repair|rebuild`: compares the roll-ups of reports with the rows."""

from __future__ import annotations

import sys
from threading import Event
from time import time

from config.database import SchemaError, require_schema
from config.settings import ReportSettings, SettingError, worker_settings
from tracking.reports import day_of
from worker.reports.checking import check
from worker.reports.rebuilding import rebuild
from worker.runtime import Database, RetryableError

USAGE = "usage: python -m worker.reports check | check --repair | rebuild"
# A day of many millions of clicks takes minutes to compare.
DEADLINE_S = 3600.0
_COMMANDS = (["check"], ["check", "--repair"], ["rebuild"])


def main(arguments: list[str]) -> int:
    """Run a command; return the exit status: 0 all agrees or was repaired, 1 something differs, 2 wrong usage."""
    if arguments not in _COMMANDS:
        sys.stderr.write(f"{USAGE}\n")
        return 2
    try:
        settings = worker_settings()
    except SettingError as error:
        sys.stderr.write(f"reports: {error.message}\n")
        return 2
    database = Database(settings.database_url, Event(), DEADLINE_S)
    try:
        database.run(require_schema)
        if arguments == ["rebuild"]:
            return _rebuild(database, settings.reports)
        return _check(database, settings.reports, repair=arguments[-1] == "--repair")
    except (SchemaError, RetryableError) as error:
        sys.stderr.write(f"reports: {error.message}\n")
        return 1
    finally:
        database.close()


def _check(database: Database, settings: ReportSettings, *, repair: bool) -> int:
    parts = 0
    for part, found in check(database.run, settings, time(), repair=repair):
        parts += 1
        sys.stdout.write(f"{part}: {found.table} differs in {found.rows} rows\n")
        for example in found.examples:
            said = ", ".join(f"{name} {value!r}" for name, value in example.items())
            sys.stdout.write(f"    {said}\n")
    if not parts:
        sys.stdout.write("the roll-ups and what is not folded yet are the rows\n")
    elif repair:
        sys.stdout.write("all of it was repaired\n")
    return 0 if repair or not parts else 1


def _rebuild(database: Database, settings: ReportSettings) -> int:
    first_day = rebuild(database.run, settings, time())
    kept = f"days before {day_of(first_day)} are kept, since their clicks were dropped; " if first_day else ""
    sys.stdout.write(
        f"{kept}the maintenance worker builds the rest anew; reports are right meanwhile, and slower than usual\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
