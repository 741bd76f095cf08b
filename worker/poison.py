"""Records that cannot be stored as what they claim to be: kept whole with the reason, so that none is ever dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from worker.database import Connection

REASON_CHARACTERS_MAX = 500


class Poison(NamedTuple):
    """One such record. `payload` is what the job carried, normally text."""

    number: int
    payload: object
    reason: str


def save_poison(connection: Connection, spool_id: str, poison: Sequence[Poison]) -> None:
    """Keep poison records, in the transaction of their batch."""
    if not poison:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into poison_records (spool_id, spool_number, payload, reason) values (%s, %s, %s, %s)"
            " on conflict (spool_id, spool_number) do nothing",
            [
                (spool_id, each.number, storable_text(each.payload), storable_text(each.reason)[:REASON_CHARACTERS_MAX])
                for each in poison
            ],
        )


def storable_text(value: object) -> str:
    """Return text that PostgreSQL takes: NUL becomes U+FFFD, a lone surrogate `?`, and what is no text its JSON."""
    text = value if isinstance(value, str) else orjson.dumps(value, default=repr).decode()
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
