"""Requests that may be repeated: with the same `Idempotency-Key` they are carried out once and answered the same.

The key is stored in the transaction that does what the request asks for. So a crash leaves either both or neither,
and whoever comes with the same key at the same time waits for the first. Only successes are kept: after an error
nothing was changed, so a repetition is judged anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import falcon
from psycopg.errors import LockNotAvailable
from pydantic import BaseModel

from admin_api.http.authentication import caller_of
from admin_api.http.callers import caller_key
from admin_api.http.errors import ConflictError, ReusedKeyError
from admin_api.runtime import Database, Pool, Row
from config.sealing import seal, unseal
from tracking.runtime import FieldError

IDEMPOTENCY_KEY = "Idempotency-Key"
IDEMPOTENCY_REPLAYED = "Idempotency-Replayed"
KEY_CHARACTERS_MAX = 255
# Printable ASCII without the double quotes, in which the draft of the field puts it.
IDEMPOTENCY_PATTERN = rf"[!#-~]{{1,{KEY_CHARACTERS_MAX}}}"
IDEMPOTENCY_IN_USE = "idempotency-key-in-use"
_KEY = re.compile(IDEMPOTENCY_PATTERN)
# Long enough for every request that takes a key, and shorter than the patience of clients.
_WAIT = "10s"
_FORGOTTEN_AT_ONCE = 100
_FORGET = """
    delete from idempotency_keys where created_at < now() - interval '24 hours' and (caller = %(caller)s
        and key_hash = %(key_hash)s or (caller, key_hash) in (select caller, key_hash from idempotency_keys
        where created_at < now() - interval '24 hours' order by created_at limit %(at_once)s for update skip locked))
"""
_CLAIM = """
    insert into idempotency_keys (caller, key_hash, request_hash) values (%(caller)s, %(key_hash)s, %(request_hash)s)
    on conflict do nothing returning true as claimed
"""
_LOAD = """
    select request_hash, status, etag, location, sealed from idempotency_keys
    where caller = %(caller)s and key_hash = %(key_hash)s
"""
_KEEP = """
    update idempotency_keys set status = %(status)s, etag = %(etag)s, location = %(location)s, sealed = %(sealed)s
    where caller = %(caller)s and key_hash = %(key_hash)s
"""


class Repeatable(NamedTuple):
    """A request that carries a key: the key, and SHA-256 of what it asks for."""

    key: str
    request_hash: bytes


class KeptAnswers:
    """Falcon middleware: lets operations find the answers that are kept."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Run before every request."""
        req.context.kept_answers = self

    def answer_once(
        self, req: falcon.Request, resp: falcon.Response, asked: Repeatable, act: Callable[[], None]
    ) -> None:
        """Let `act` answer a request, or repeat the answer that it got before.

        Raises ReusedKeyError if the key came with another request, and ConflictError if that one still runs.
        """
        named = {"caller": caller_key(caller_of(req)), "key_hash": sha256(asked.key.encode()).digest()}
        with self._pool.bound_connection() as database, database.transaction():
            if _claim(database, {**named, "request_hash": asked.request_hash}):
                act()
                kept = {
                    "status": resp.status_code,
                    "etag": resp.get_header("ETag"),
                    "location": resp.get_header("Location"),
                    # SECURITY: some answers show a token or a secret that is stored nowhere else as it is.
                    "sealed": None if resp.data is None else seal(resp.data.decode()),
                }
                database.execute(_KEEP, {**named, **kept})
                return
            row = database.execute(_LOAD, named).fetchone()
        if row is None:
            # It was so old that somebody else removed it since; the client may repeat at once.
            raise _in_use()
        if bytes(row["request_hash"]) != asked.request_hash:
            raise ReusedKeyError(f"this {IDEMPOTENCY_KEY} came with another request; a new request needs a new key")
        _repeat(resp, row)


def decode_repeatable(req: falcon.Request, body: BaseModel | None) -> Repeatable | None:
    """Return the key of a request with what it asks for, or None if it has no key. Raises FieldError."""
    header = req.get_header(IDEMPOTENCY_KEY)
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not _KEY.fullmatch(key):
        raise FieldError(
            IDEMPOTENCY_KEY, f"{IDEMPOTENCY_KEY} must be 1 to {KEY_CHARACTERS_MAX} printable characters, such as a UUID"
        )
    asked = "" if body is None else body.model_dump_json(by_alias=True, exclude_unset=True)
    return Repeatable(key, sha256(f"{req.method} {req.path}\n{asked}".encode()).digest())


def _claim(database: Database, values: dict[str, object]) -> bool:
    """Store a key in the caller's transaction. Return whether it is new."""
    # RACE: of two requests with one key, the second waits here for the commit or the rollback of the first.
    database.execute(f"set local lock_timeout = '{_WAIT}'")
    try:
        database.execute(_FORGET, {**values, "at_once": _FORGOTTEN_AT_ONCE})
        claimed = database.execute(_CLAIM, values).fetchone()
    except LockNotAvailable as error:
        raise _in_use() from error
    database.execute("set local lock_timeout to default")
    return claimed is not None


def _in_use() -> ConflictError:
    return ConflictError(
        f"a request with this {IDEMPOTENCY_KEY} is still being carried out; ask again in a moment",
        code=IDEMPOTENCY_IN_USE,
    )


def _repeat(resp: falcon.Response, row: Row) -> None:
    resp.status = row["status"]
    resp.set_header(IDEMPOTENCY_REPLAYED, "true")
    for name in ("etag", "location"):
        if row[name] is not None:
            resp.set_header(name, row[name])
    if row["sealed"] is not None:
        resp.content_type = falcon.MEDIA_JSON
        resp.data = unseal(row["sealed"]).encode()
