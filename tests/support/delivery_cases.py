"""Conversions, outgoing postbacks and a running dispatcher for the tests of deliveries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from time import time
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

import worker_cases as cases
from config.settings import OutgoingSettings
from tracking.outgoing import parse_networks
from waiting import wait_until
from worker.conversions import lock_unbooked, mark_booked
from worker.outgoing import Dispatcher, OutgoingClient, plan_deliveries
from worker.runtime import Database, Resources

LOOPBACK = OutgoingSettings(parse_networks("127.0.0.0/8, ::1/128"), connect_timeout_s=1, timeout_s=2, concurrency=16)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def outgoing_postback(database_url: str, url: str, **columns: Any) -> int:
    """Set up an outgoing postback and return its id."""
    values = {"name": "A partner", "url": url, "secrets": [SECRET], **columns}
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            f"insert into outgoing_postbacks ({', '.join(values)})"
            f" values ({', '.join(f'%({name})s' for name in values)}) returning outgoing_postback_id",
            values,
        ).fetchone()
    assert row is not None
    return int(row[0])


def click(database_url: str, link_id: int = 1, **parameters: str) -> UUID:
    """Store a click as the worker does, in short, and return its id."""
    made = cases.click()
    with psycopg.connect(database_url) as connection:
        connection.execute("create table if not exists clicks_of_tests partition of clicks default")
        connection.execute(
            "insert into clicks (click_id, clicked_at, link_id, profile_id, config_version, class, method, host, slug,"
            " query, parameters, sub1, ip, user_agent, referrer, accept_language, location, spool_id, spool_number)"
            " values (%s, now(), %s, 1, 1, 'valid', 'GET', 'h', 'abc', '', %s, %s, '192.0.2.7', 'UA', 'ref', '', '',"
            " 's', 1)",
            [made.click_id, link_id, Jsonb(parameters), parameters.get("sub1")],
        )
    return UUID(made.click_id)


def conversion(database_url: str, click_id: UUID, status: str = "approved", **columns: Any) -> UUID:
    """Store a conversion of link 1 and account 1; its change waits to be booked."""
    values = {
        "click_id": click_id,
        "merchant_id": 1,
        "link_id": 1,
        "event": "ftd",
        "status": status,
        "payout_minor": 2500,
        "currency": "USD",
        "authenticated": True,
        **columns,
    }
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            f"insert into conversions ({', '.join(values)}, clicked_at, received_at)"
            f" values ({', '.join(f'%({name})s' for name in values)}, now(), now()) returning conversion_id",
            values,
        ).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def plan(database_url: str) -> int:
    """Plan the deliveries of every unbooked change, as bookkeeping does; return how many are new."""
    with psycopg.connect(database_url) as connection:
        changes = lock_unbooked(connection, 1000)
        planned = sum(plan_deliveries(connection, change) for change in changes)
        mark_booked(connection, changes)
    return planned


@contextmanager
def dispatching(
    database_url: str, redis_url: str, settings: OutgoingSettings = LOOPBACK, now_s: Callable[[], float] = time
) -> Iterator[Resources]:
    """Run a dispatcher beside the test, by a clock of its own if need be."""
    stop = Event()
    used = cases.resources(database_url, redis_url)
    used = replace(used, stop=stop, now_s=now_s)
    dispatcher = Dispatcher(used, Database(database_url, stop, 30), OutgoingClient(settings))
    dispatcher.start()
    try:
        yield used
    finally:
        stop.set()
        used.wake.set()
        dispatcher.join()
        cases.close(used)


def deliveries(database_url: str) -> list[dict[str, Any]]:
    """Return all deliveries in the order of planning, `delay_s` being how far off the next attempt is."""
    with psycopg.connect(database_url, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(
            "select *, extract(epoch from due_at - now())::float as delay_s from deliveries"
            " order by planned_at, change_id, outgoing_postback_id"
        ).fetchall()


def attempts(database_url: str) -> list[dict[str, Any]]:
    """Return all attempts, oldest first."""
    with psycopg.connect(database_url, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(
            "select *, host(address) as host from delivery_attempts order by started_at, attempt"
        ).fetchall()


def wait_for_state(database_url: str, state: str, count: int = 1) -> None:
    """Wait until `count` deliveries are in a state."""
    query = "select count(*) from deliveries where state = %s"
    wait_until(lambda: cases.rows(database_url, query, state)[0][0] == count, what=f"{count} deliveries {state}")


def wait_for_ended(database_url: str, count: int) -> None:
    """Wait until `count` attempts have ended."""
    query = "select count(*) from delivery_attempts where ended_at is not null"
    wait_until(lambda: cases.rows(database_url, query)[0][0] == count, what=f"{count} ended attempts")


def make_due(database_url: str) -> None:
    """Let the time until the next attempts pass."""
    with psycopg.connect(database_url) as connection:
        connection.execute("update deliveries set due_at = now() where state = 'pending'")
