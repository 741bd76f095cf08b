"""The task of the deliveries queue. PostgreSQL has the deliveries that are due; a job only says to look for them now.

A job that is lost with Redis costs nothing: the dispatcher looks once a second by itself.
"""

from __future__ import annotations

import logging
from uuid import uuid4

from redis import Redis, RedisError

from tracking.runtime import QueueName, Task
from worker.runtime import log, resources, task_queue

_JOB_TTL_S = 60


def send_due() -> None:
    """Make this process's dispatcher look for due deliveries at once."""
    resources.current().wake.set()


def wake_dispatchers(redis: Redis) -> None:
    """Make a deliveries process look at once, after the transaction that planned something. One job is enough."""
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
