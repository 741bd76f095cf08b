"""Plans deliveries at a steady rate, in turn for each partner, as bookkeeping does: rows, a commit, the bell."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb
from redis import Redis
from rq import Queue

from tracking.runtime import JobSerializer, QueueName, Task

TICK_S = 0.05
_CONVERSION = (
    "insert into conversions (click_id, merchant_id, link_id, event, status, authenticated, clicked_at, received_at)"
    " select %s, 1, 1, 'deposit', 'approved', true, now(), now() from generate_series(1, %s) returning conversion_id"
)
_DELIVERY = (
    "insert into deliveries (outgoing_postback_id, change_id, conversion_id, click_id, event, facts)"
    " select partner.id, change.change_id, change.conversion_id, %s, 'deposit', %s"
    " from unnest(%s::bigint[]) with ordinality as partner (id, place)"
    " join (select change_id, conversion_id, row_number() over () as place from conversion_changes"
    " where conversion_id = any(%s)) change using (place)"
)
_FACTS = {"event": "deposit", "status": "approved", "click_id": "load", "parameters": {}}

Connection = psycopg.Connection[Any]


def set_up(connection: Connection, urls: list[str]) -> list[int]:
    """Make an outgoing postback for each URL and return their ids; those of an earlier run are switched off."""
    connection.execute("update outgoing_postbacks set state = 'disabled'")
    ids = []
    for url in urls:
        row = connection.execute(
            "insert into outgoing_postbacks (name, url, secrets) values ('load', %s, '{whsec_bG9hZA==}')"
            " returning outgoing_postback_id",
            [f"{url}?id={{delivery_id}}"],
        ).fetchone()
        assert row is not None
        ids.append(int(row[0]))
    return ids


def offer(connection: Connection, redis: Redis, postback_ids: list[int], rate: float, seconds: float) -> None:
    """Plan `rate` deliveries a second for so many seconds."""
    queue = Queue(QueueName.DELIVERIES.value, connection=redis, serializer=JobSerializer)
    began = monotonic()
    planned = 0
    while (elapsed_s := monotonic() - began) < seconds:
        count = int(elapsed_s * rate) - planned
        if count:
            ids = [postback_ids[(planned + place) % len(postback_ids)] for place in range(count)]
            _plan(connection, ids)
            planned += count
            if queue.count == 0:
                queue.enqueue_call(Task.SEND_DELIVERIES.value, args=(), timeout=30, result_ttl=0, ttl=60)
        sleep(TICK_S)


def _plan(connection: Connection, postback_ids: list[int]) -> None:
    click_id = uuid4()
    with connection.transaction():
        made = connection.execute(_CONVERSION, [click_id, len(postback_ids)]).fetchall()
        conversion_ids = [row[0] for row in made]
        connection.execute(_DELIVERY, [click_id, Jsonb(_FACTS), postback_ids, conversion_ids])
        connection.execute(
            "update conversion_changes set booked_at = now() where conversion_id = any(%s)", [conversion_ids]
        )
