"""Names on which two processes must agree: the RQ queues, their tasks, and how a job is written in Redis."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import orjson

BATCH_RECORDS_MAX = 5000
# Postbacks are processed one by one, in a few milliseconds each. A job of them must be done well before its timeout.
POSTBACK_BATCH_RECORDS_MAX = 1000


class QueueName(StrEnum):
    """The queues. A worker process takes exactly one: with several, RQ uses BLPOP, and a kill can lose a job."""

    CLICKS = "clicks"
    POSTBACKS = "postbacks"
    DELIVERIES = "deliveries"
    MAINTENANCE = "maintenance"


class Task(StrEnum):
    """All functions that a worker may run. A job that names another one is refused."""

    STORE_CLICKS = "worker.clicks.store_batch"
    STORE_POSTBACKS = "worker.postbacks.store_batch"
    SEND_DELIVERIES = "worker.outgoing.send_due"
    REPLAY = "worker.postbacks.run_replay"
    RESUME_REPLAYS = "worker.postbacks.resume_replays"
    FLAG_OVERDUE = "worker.postbacks.flag_overdue"
    MATCH_PARKED = "worker.maintenance.match_parked"
    MAKE_PARTITIONS = "worker.maintenance.make_partitions"
    MAKE_MONTHS = "worker.retention.make_months"
    ERASE = "worker.privacy.erase_waiting"
    DROP_OLD = "worker.retention.drop_old"
    BOOK_CHANGES = "worker.money.run_bookkeeping"
    BOOK_POSTPONED = "worker.money.book_postponed"
    LOAD_RATES = "worker.money.load_rates"
    CHECK_COUNTS = "worker.traffic.check_counts"
    CLASS_AGAIN = "worker.traffic.class_again"
    SETTLE_CLICKS = "worker.traffic.settle_clicks"
    COUNT_CAP_CONVERSIONS = "worker.caps.count_conversions"
    FOLD_REPORTS = "worker.reports.fold_reports"
    DROP_REPORT_HOURS = "worker.reports.drop_report_hours"
    FORGET_NOTES = "worker.maintenance.forget_notes"
    MAKE_PAYOUTS = "worker.money.make_payouts"


STREAM_QUEUES: dict[str, tuple[QueueName, Task]] = {
    "clicks": (QueueName.CLICKS, Task.STORE_CLICKS),
    "postbacks": (QueueName.POSTBACKS, Task.STORE_POSTBACKS),
}


# How a turn of a replay is queued, by the admin API and by the worker that goes on with it. A turn takes a few seconds.
REPLAY_JOB_OPTIONS: dict[str, Any] = {"timeout": 120, "result_ttl": 0, "failure_ttl": 300}


class JobSerializer:
    """The RQ serializer of every queue: JSON only. SECURITY: pickle would let whoever can write to Redis run code."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return orjson.dumps(value)

    @staticmethod
    def loads(data: bytes) -> Any:
        return orjson.loads(data)
