"""Records, configuration rows and resources for tests of the worker: clicks and postbacks as the edge writes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from time import time
from typing import Any
from uuid import uuid4

import psycopg
from redis import Redis

from tracking.clicks import ClickIdMint, ProcessIdentity
from tracking.spool import Click, Postback, encode_click, encode_postback
from worker.runtime import Database, Resources, install

KEY = b"k" * 16
SPOOL = "7-0-3fa9c1d2-clicks"
POSTBACK_SPOOL = "7-0-3fa9c1d2-postbacks"
_MINTS = {0: ClickIdMint([KEY], ProcessIdentity(7, 0, 0))}


def mint_at(at_ms: int, generation: int = 0) -> str:
    """Return a genuine click id of a moment."""
    return ClickIdMint([KEY], ProcessIdentity(7, 1, generation), lambda: at_ms * 1_000_000).mint()[0]


def click(**changes: Any) -> Click:
    """Return a click of now with a fresh id; `changes` replace fields."""
    click_id, at_ms = _MINTS[0].mint()
    made = Click(
        click_id=click_id,
        at_ms=at_ms,
        link_id=1,
        profile_id=1,
        config_version=3,
        method="GET",
        host="track.example.com",
        slug="abc",
        query="sub1=one&x=%C3%A9",
        ip="192.0.2.7",
        user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
        referrer="https://ref.example/page",
        accept_language="en",
        purpose="",
        location="https://merchant.example/?c=" + click_id,
        sub_defaults=[None] * 10,
    )
    return made._replace(**changes)


def payloads(clicks: list[Click]) -> list[str]:
    """Return the payloads of a job."""
    return [encode_click(each).decode() for each in clicks]


def postback(click_id: str, **changes: Any) -> Postback:
    """Return an authenticated ftd of account 1 for a click; `changes` replace fields, `fields` what was read of it."""
    fields = {
        "click_id": click_id,
        "event": "ftd",
        "order_id": None,
        "status": None,
        "payout_minor": 2500,
        "currency": "USD",
        **changes.pop("fields", {}),
    }
    made = Postback(
        postback_id=str(uuid4()),
        at_ms=int(time() * 1000),
        route="/postback/{token}",
        method="GET",
        host="track.example.com",
        query=f"click_id={click_id}&event=ftd",
        content_type="",
        body="",
        ip="198.51.100.4",
        user_agent="curl/8",
        merchant_id=1,
        authenticated=True,
        answered=200,
        reason=None,
        detail=None,
        fields=fields,
    )
    return made._replace(**changes)


def postback_payloads(postbacks: list[Postback]) -> list[str]:
    """Return the payloads of a job."""
    return [encode_postback(each).decode() for each in postbacks]


def resources(database_url: str, redis_url: str, deadline_s: float = 30) -> Resources:
    """Return what a worker process would install, for one test or thread."""
    stop = Event()
    return Resources(Database(database_url, stop, deadline_s), Redis.from_url(redis_url), [KEY], stop)


@contextmanager
def installed(database_url: str, redis_url: str) -> Iterator[Resources]:
    """Write the configuration, make resources the process's for a while, and close them."""
    configure(database_url)
    used = resources(database_url, redis_url)
    install(used)
    yield used
    close(used)


def close(used: Resources) -> None:
    """Close a test's or thread's connections."""
    used.database.close()
    used.redis.close()


def configure(database_url: str) -> None:
    """Write accounts 1 and 2, profile 1 (30 days) and links 1 (of account 1) and 2 (of account 2)."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into profiles (name, domain, address_storage) values ('p', 'track.example.com', 'whole')"
        )
        connection.execute("insert into merchants (name) values ('one'), ('two')")
        connection.execute(
            "insert into links (name, profile_id, merchant_id, slug, destination_url)"
            " values ('a', 1, 1, 'abc', 'https://m.example/'), ('b', 1, 2, 'def', 'https://m.example/')"
        )


def rows(database_url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return all rows of a query, in a connection of its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return connection.execute(query, values).fetchall()
