"""What every worker process shares: database connection, jobs, errors, logs, metrics and the loop that runs jobs."""

from __future__ import annotations

from worker.runtime import resources
from worker.runtime.database import Connection, Database, is_transient
from worker.runtime.errors import (
    FORGED_CLICK_ID,
    KeysDifferError,
    PermanentError,
    PoisonError,
    RetryableError,
    StaleError,
    WorkerError,
)
from worker.runtime.jobs import TaskJob, load_tasks
from worker.runtime.logs import log, start_logging
from worker.runtime.metrics import Tally
from worker.runtime.resources import Resources, install
from worker.runtime.runner import run, task_queue

__all__ = [
    "FORGED_CLICK_ID",
    "Connection",
    "Database",
    "KeysDifferError",
    "PermanentError",
    "PoisonError",
    "Resources",
    "RetryableError",
    "StaleError",
    "Tally",
    "TaskJob",
    "WorkerError",
    "install",
    "is_transient",
    "load_tasks",
    "log",
    "resources",
    "run",
    "start_logging",
    "task_queue",
]
