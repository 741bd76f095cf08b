"""Names that two processes must agree on: RQ queues, the tasks on them, and how a job is written in Redis."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import orjson

BATCH_RECORDS_MAX = 5000
# A postback is judged one by one, at a few milliseconds each; a job of these must be done well before its deadline.
POSTBACK_BATCH_RECORDS_MAX = 1000


class QueueName(StrEnum):
    """One queue per worker process, always: with several, RQ falls back to BLPOP and a kill can lose a job."""

    CLICKS = "clicks"
    POSTBACKS = "postbacks"
    DELIVERIES = "deliveries"
    MAINTENANCE = "maintenance"


class Task(StrEnum):
    """Every function a worker may run. A job that names anything else is refused."""

    STORE_CLICKS = "worker.clicks.store_batch"
    STORE_POSTBACKS = "worker.postbacks.store_batch"
    SEND_DELIVERIES = "worker.outgoing.send_due"
    REPLAY = "worker.postbacks.run_replay"
    RESUME_REPLAYS = "worker.postbacks.resume_replays"
    FLAG_OVERDUE = "worker.postbacks.flag_overdue"
    MATCH_PARKED = "worker.maintenance.match_parked"
    MAKE_PARTITIONS = "worker.maintenance.make_partitions"
    FORGET_NONCES = "worker.postbacks.forget_old_nonces"
    BOOK_CHANGES = "worker.money.run_bookkeeping"
    BOOK_POSTPONED = "worker.money.book_postponed"
    LOAD_RATES = "worker.money.load_rates"
    MAKE_PAYOUTS = "worker.money.make_payouts"


STREAM_QUEUES: dict[str, tuple[QueueName, Task]] = {
    "clicks": (QueueName.CLICKS, Task.STORE_CLICKS),
    "postbacks": (QueueName.POSTBACKS, Task.STORE_POSTBACKS),
}


class JobSerializer:
    """The RQ serializer of every queue: JSON only. SECURITY: pickle would let whoever can write to Redis run code."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return orjson.dumps(value)

    @staticmethod
    def loads(data: bytes) -> Any:
        return orjson.loads(data)
