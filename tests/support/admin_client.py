"""The admin API in the test's own process: real requests through falcon.testing, on a real database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from falcon.testing import Result, TestClient
from psycopg.rows import dict_row
from redis import Redis

from admin_api.app import Collaborators, create_app
from admin_api.resources import Addresses
from admin_api.runtime import Database, connect_redis, open_pool
from config.configuration import fetch_everything, hash_token

CLICK_ID_KEYS = (b"the key of the tests",)
EDGE_PORT = 18080


class AdminClient:
    """Requests with a valid token. `created` makes an object and returns its JSON."""

    def __init__(self, collaborators: Collaborators, token: str) -> None:
        self.collaborators = collaborators
        self.token = token
        self.web = TestClient(create_app(collaborators))

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Result:
        """Send one request; header names are given with underscores.

        Unless a test says otherwise, an edit is of whatever the object is now. An empty `If_Match` leaves it out.
        """
        sent = {"Authorization": f"ApiKey {self.token}", "If-Match": "*"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if method == "GET" or not sent["If-Match"]:
            del sent["If-Match"]
        return self.web.simulate_request(method, path, json=body, headers=sent)

    def created(self, plural: str, **fields: Any) -> dict[str, Any]:
        """Create an object of a noun and return its JSON."""
        result = self.request("POST", f"/v1/{plural}", fields)
        assert result.status_code == 201, result.text
        answer: dict[str, Any] = result.json
        return answer

    def profile(self, domain: str = "track.example.com", **fields: Any) -> dict[str, Any]:
        """Create a profile."""
        return self.created("profiles", **{"name": "A profile", "domain": domain} | fields)

    def merchant(self, **fields: Any) -> dict[str, Any]:
        """Create a merchant."""
        return self.created("merchants", **{"name": "A merchant"} | fields)

    def link(self, merchant: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Create a link."""
        default = {"merchant_id": merchant["merchant_id"], "destination_url": "https://m.example/?c={click_id}"}
        return self.created("links", **default | fields)


@contextmanager
def admin_client(database_url: str, redis_url: str, **collaborators: Any) -> Iterator[AdminClient]:
    """Yield a client of an app on these servers, with an API token of its own.

    `collaborators` are those beside the usual ones.
    """
    token = f"wp_{secrets.token_hex(16)}"
    with closing(connect(database_url)) as database:
        database.execute("insert into api_tokens (token_hash, name) values (%s, 'test')", [hash_token(token)])
    pool, redis = open_pool(database_url, 4), connect_redis(redis_url)
    try:
        yield AdminClient(
            Collaborators(pool, redis, Addresses("https", EDGE_PORT), CLICK_ID_KEYS, **collaborators), token
        )
    finally:
        pool.close()
        redis.close()


def connect(database_url: str) -> Database:
    """Return a connection as the publisher's: autocommit, rows as dictionaries."""
    return psycopg.connect(database_url, autocommit=True, row_factory=dict_row)


def published(redis: Redis) -> dict[str, bytes]:
    """Return what Redis serves."""
    return dict(fetch_everything(redis))
