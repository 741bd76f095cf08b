"""Keeps the records that are not what they claim to be, whole and with the reason, so that no record is dropped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import orjson

from tracking.spool import Batch
from worker.runtime import FORGED_CLICK_ID, Connection, KeysDifferError, PoisonError, log

Row = TypeVar("Row")
REASON_CHARACTERS_MAX = 500


class Poison(NamedTuple):
    """A record that cannot be stored. `payload` is what the job carried, normally text."""

    number: int
    payload: object
    reason: str


def save_poison(connection: Connection, spool_id: str, poison: Sequence[Poison]) -> None:
    """Store poison records in the transaction of their batch."""
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
    """Return text that PostgreSQL takes: NUL becomes U+FFFD, a lone surrogate `?`, and any other value its JSON."""
    text = value if isinstance(value, str) else orjson.dumps(value, default=repr).decode()
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def separate(batch: Batch, row_of: Callable[[str, int], Row]) -> tuple[list[Row], list[Poison]]:
    """Return the rows of a batch, and the records that cannot become rows. Raises KeysDifferError."""
    rows: list[Row] = []
    poison: list[Poison] = []
    forged = 0
    for number, payload in enumerate(batch.payloads, batch.first):
        try:
            rows.append(row_of(payload, number))
        except PoisonError as error:
            log("poison", logging.WARNING, spool=batch.spool_id, number=number, reason=error.reason)
            poison.append(Poison(number, payload, error.reason))
            forged += error.code == FORGED_CLICK_ID
    if forged and forged == len(batch.payloads):
        raise KeysDifferError(
            f"no click id in {batch.spool_id} was made with the keys known here;"
            " give edge and workers the same CLICK_ID_KEYS"
        )
    return rows, poison
