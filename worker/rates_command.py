"""`python -m worker rates FILE`: loads a newer file of the European Central Bank's rates, without a release."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from config.database import SchemaError, require_schema
from config.settings import SettingError, worker_settings
from worker.money import Loaded, RateFileError, check_age, newest_day, read_rates, save_rates
from worker.runtime import Connection, Database, RetryableError

USAGE = "usage: python -m worker rates FILE (eurofxref-hist.zip or .csv of the European Central Bank)"
# Short, since somebody waits for the command at a terminal.
DEADLINE_S = 15.0


def main(arguments: list[str]) -> int:
    """Load a file and print what it has; return the exit status: 0 loaded, 1 not loaded, 2 wrong usage or settings."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(f"{USAGE}\n")
        return 2
    path = Path(arguments[0])
    try:
        settings = worker_settings()
    except SettingError as error:
        sys.stderr.write(f"rates: {error.message}\n")
        return 2
    database = Database(settings.database_url, Event(), DEADLINE_S)
    try:
        today = datetime.now(UTC).date()
        rates = read_rates(path, today)

        def load(connection: Connection) -> Loaded:
            require_schema(connection)
            loaded = save_rates(connection, path, rates)
            check_age(connection, today)
            return loaded

        loaded = database.run(load)
        newest = database.run(newest_day)
    except (RateFileError, SchemaError, RetryableError) as error:
        sys.stderr.write(f"rates: {error.message}\n")
        return 1
    finally:
        database.close()
    assert newest is not None
    sys.stdout.write(
        f"{path.name}: {loaded.days} days from {loaded.oldest} to {loaded.newest}, {loaded.currencies} currencies\n"
        f"{loaded.added} rates are new, {loaded.corrected} were corrected\n"
        f"the newest rates are of {newest}, {(today - newest).days} days old; commissions that waited for a rate are"
        " booked within a minute while a maintenance worker runs\n"
    )
    return 0
