"""The task of the deliveries queue. What is due stands in PostgreSQL: a job only says that it is time to look now.

So a job lost with Redis costs nothing: worker.outgoing.dispatcher looks once a second by itself.
"""

from __future__ import annotations

import logging
from uuid import uuid4

from redis import Redis, RedisError

from tracking.runtime import QueueName, Task
from worker.runtime import log, resources, task_queue

_JOB_TTL_S = 60


def send_due() -> None:
    """Have this process's dispatcher look for due deliveries at once."""
    resources.current().doorbell.set()


def ring(redis: Redis) -> None:
    """Tell the deliveries processes that something was planned, after its transaction; one job at a time is enough."""
    queue = task_queue(QueueName.DELIVERIES, redis)
    try:
        if queue.count == 0:
            queue.enqueue_call(
                Task.SEND_DELIVERIES.value,
                args=(),
                timeout=30,
                result_ttl=0,
                failure_ttl=300,
                ttl=_JOB_TTL_S,
                job_id=f"deliveries-{uuid4().hex}",
            )
    except RedisError as error:
        log("redis-away", logging.WARNING, error=error)
