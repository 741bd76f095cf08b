"""Clicks that are stored after their visitor was erased: they are erased in the transaction that stores them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from tracking.clicks import clicked_at
from tracking.spool import Click
from worker.privacy.rules import PrivacyRules, check_no_newer_erasure, moment_ms
from worker.privacy.table import erase_all
from worker.runtime import Connection

_CLICK_ID = 1 + Click._fields.index("click_id")
_AT_MS = 1 + Click._fields.index("at_ms")
_IP = 1 + Click._fields.index("ip")


@dataclass(frozen=True, slots=True)
class LateErasures:
    """What a batch's transaction has to do: the rules that its rows were made by, and which clicks to erase."""

    rules: PrivacyRules = field(default_factory=lambda: PrivacyRules({}))
    click_ids: Sequence[UUID] = ()
    with_sub_ids: Sequence[UUID] = ()

    def apply(self, connection: Connection) -> None:
        """Erase what the batch has inserted of them. Raises RetryableError if an erasure was asked for meanwhile."""
        check_no_newer_erasure(connection, self.rules)
        for ids, sub_ids in ((self.click_ids, False), (self.with_sub_ids, True)):
            if ids:
                erase_all(connection, ids, sub_ids=sub_ids)


def find_late(rules: PrivacyRules, click_ids: Sequence[str], payloads: Iterable[Any]) -> LateErasures:
    """Return what is to be erased of a batch. `click_ids` are those of its rows, `payloads` its records.

    PERF: the records are only looked at if one of them is of before the last erasure. Clicks are stored within seconds,
    so hardly any batch has one.
    """
    if not click_ids or moment_ms(clicked_at(UUID(min(click_ids)))) >= rules.erased_before_ms:
        return LateErasures(rules)
    stored = set(click_ids)
    plain: list[UUID] = []
    with_sub_ids: list[UUID] = []
    for payload in payloads:
        click_id, at_ms, ip = _facts(payload)
        found = rules.tombstones_of(click_id, ip, at_ms) if click_id in stored else ()
        if found:
            (with_sub_ids if any(each.sub_ids for each in found) else plain).append(UUID(click_id))
    return LateErasures(rules, plain, with_sub_ids)


def _facts(payload: Any) -> tuple[str, int, str]:
    """Return id, moment and address of a record, blanks for what is none: it has no row that could be erased."""
    try:
        values = orjson.loads(payload)
        return str(values[_CLICK_ID]).strip().lower(), int(values[_AT_MS]), str(values[_IP])
    except (orjson.JSONDecodeError, TypeError, ValueError, LookupError):
        return "", 0, ""
