"""`python -m worker clicks|postbacks|deliveries|maintenance`: one worker on one queue, until SIGTERM or SIGINT.

`python -m worker rates FILE` loads exchange rates and ends.
"""

from __future__ import annotations

import os
import signal
import sys
from threading import Event, Timer
from types import FrameType

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.database import SchemaError, require_schema
from config.geo import GeoDatabases
from config.settings import SettingError, worker_settings
from config.tracing import TracesError, start_tracing
from tracking.runtime import QueueName
from worker import rates_command
from worker.maintenance import Schedule
from worker.outgoing import Dispatcher, OutgoingClient
from worker.runtime import (
    Database,
    Resources,
    RetryableError,
    Tally,
    install,
    load_tasks,
    log,
    run,
    start_logging,
    task_queue,
)

USAGE = (
    f"usage: python -m worker {'|'.join(QueueName)} (exactly one queue a process)\n"
    f"       {rates_command.USAGE.removeprefix('usage: ')}"
)
# A stopping worker has this long to finish its job. A longer job ends as with kill -9: it rolls back, and its batch
# comes again.
STOP_LIMIT_S = 8.0


def main(arguments: list[str]) -> int:
    """Run one worker; return the exit status: 0 stopped, 1 old schema, 2 wrong usage or settings."""
    if arguments[:1] == ["rates"]:
        return rates_command.main(arguments[1:])
    if len(arguments) != 1 or arguments[0] not in set(QueueName):
        sys.stderr.write(f"{USAGE}\n")
        return 2
    name = QueueName(arguments[0])
    try:
        settings = worker_settings()
    except SettingError as error:
        sys.stderr.write(f"worker: {error.message}\n")
        return 2
    start_logging(name, settings.log_level)
    try:
        start_tracing(settings.traces_endpoint, f"waypost-worker-{name}")
    except TracesError as error:
        sys.stderr.write(f"worker: {error.message}\n")
        return 2
    load_tasks()
    stop = Event()
    _stop_on_signals(stop)
    database = Database(settings.database_url, stop)
    redis = Redis.from_url(
        settings.redis_url,
        socket_connect_timeout=5,
        socket_timeout=10,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=0,
    )
    try:
        require_schema(database.wait())
    except SchemaError as error:
        sys.stderr.write(f"worker: {error.message}\n")
        return 1
    except RetryableError:
        return 0
    tally = Tally()
    geo = GeoDatabases(settings.geo, lambda event: tally.add(**{f"geo_{event.name.lower()}": 1}))
    # A slow disk delays the start for no longer. Clicks that are stored before all is loaded have less known of them.
    geo.start(wait_s=30.0)
    used = Resources(
        database,
        redis,
        settings.click_id_keys,
        stop,
        geo,
        tally=tally,
        rates_file=settings.exchange_rates_file,
        retention=settings.retention,
        traffic=settings.traffic,
        reports=settings.reports,
    )
    install(used)
    if name is QueueName.MAINTENANCE:
        run(name, used, Schedule(redis, task_queue(name, redis)).enqueue_due)
    elif name is QueueName.DELIVERIES:
        dispatcher = Dispatcher(used, Database(settings.database_url, stop), OutgoingClient(settings.outgoing))
        dispatcher.start()
        run(name, used)
        dispatcher.join()
    else:
        run(name, used)
    database.close()
    log("stopped")
    return 0


def _stop_on_signals(stop: Event) -> None:
    def on_signal(number: int, frame: FrameType | None) -> None:
        if not stop.is_set():
            stop.set()
            timer = Timer(STOP_LIMIT_S, os._exit, [1])
            timer.daemon = True
            timer.start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
