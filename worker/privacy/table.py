"""Takes what identifies a visitor out of clicks and of what was reported about them. SQL only.

What counts stays: link, day, class, destination, country, device, events, orders, statuses and amounts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from tracking.clicks import SUB_NAMES
from worker.runtime import Connection

# What each personal column of clicks becomes.
ERASED_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("query", "user_agent", "referrer", "accept_language", "location"), "''"),
        "parameters": "'{}'",
        **dict.fromkeys(
            ("ip", "visitor", "region", "city", "asn", "isp", "referrer_host", "external_id", "cuts"), "null"
        ),
    }
)
_SET_CLICK = ", ".join(f"{name} = {value}" for name, value in ERASED_COLUMNS.items())
_SET_SUBS = "".join(f", {name} = null" for name in SUB_NAMES)
# `routing` ends with the facts that were looked up to decide.
_CLICKS, _CLICKS_AND_SUBS = (
    f"update clicks set {_SET_CLICK}{subs}, erased_at = now(),"  # noqa: S608
    " routing = case when routing is not null then jsonb_set(routing, '{-1}', '{}') end"
    " where click_id = any(%s) and erased_at is null"
    for subs in ("", _SET_SUBS)
)
_POSTBACKS = (
    "update postbacks set query = '', body = '', user_agent = '', ip = null, detail = null, corrections = '[]',"
    " erased_at = now() where click_id = any(%s) and erased_at is null"
)
# The facts of a delivery that are of the visitor.
_PERSONAL_FACTS = (
    *("ip", "user_agent", "referrer", "parameters", "external_id", "region", "city", "language", "gclid"),
)
_DELIVERIES = "update deliveries set facts = facts - %s::text[] where click_id = any(%s)"
_ATTEMPTS = (
    "update delivery_attempts set url = null, headers = null, body = null, response_headers = null,"
    " response_body = null, detail = null"
    " where delivery_id in (select delivery_id from deliveries where click_id = any(%s))"
)
_ISSUES = "update issues set detail = detail - '{request,query,body,corrections}'::text[] where click_id = any(%s)"
# Few, and their payload is text in which the record's texts are quoted.
_POISON = "payload like %s"
_ERASE_POISON = f"update poison_records set payload = '' where {_POISON}"  # noqa: S608
_COUNT_POISON = f"select count(*) from poison_records where {_POISON}"  # noqa: S608
_COUNTS = {
    "clicks": "select count(*) from clicks where click_id = any(%s) and erased_at is null",
    "postbacks": "select count(*) from postbacks where click_id = any(%s) and erased_at is null",
    "deliveries": "select count(*) from deliveries where click_id = any(%s)",
    "attempts": (
        "select count(*) from delivery_attempts"
        " where delivery_id in (select delivery_id from deliveries where click_id = any(%s))"
    ),
    "issues": "select count(*) from issues where click_id = any(%s)",
}


def erase_all(connection: Connection, click_ids: Sequence[UUID], *, sub_ids: bool) -> Counter[str]:
    """Erase clicks and what was reported about them, in the caller's transaction; return how many rows of each."""
    ids = list(click_ids)
    facts = [*_PERSONAL_FACTS, *(SUB_NAMES if sub_ids else ())]
    statements: dict[str, tuple[str, list[Any]]] = {
        "clicks": (_CLICKS_AND_SUBS if sub_ids else _CLICKS, [ids]),
        "postbacks": (_POSTBACKS, [ids]),
        "attempts": (_ATTEMPTS, [ids]),
        "deliveries": (_DELIVERIES, [facts, ids]),
        "issues": (_ISSUES, [ids]),
    }
    # Planned with the ids, so that only their days are opened.
    return Counter(
        {
            name: connection.execute(query, values, prepare=False).rowcount
            for name, (query, values) in statements.items()
        }
    )


def count_all(connection: Connection, click_ids: Sequence[UUID]) -> Counter[str]:
    """Return how many rows of each kind `erase_all` would change."""
    counts: Counter[str] = Counter()
    for name, query in _COUNTS.items():
        row = connection.execute(query, [list(click_ids)], prepare=False).fetchone()
        counts[name] = 0 if row is None else row[0]
    return counts


def erase_poison(connection: Connection, subject: str, *, dry: bool) -> int:
    """Empty the records that could not be stored and that name a click id or an address; return how many."""
    quoted = f'%"{subject}"%'
    if not dry:
        return connection.execute(_ERASE_POISON, [quoted]).rowcount
    row = connection.execute(_COUNT_POISON, [quoted]).fetchone()
    return 0 if row is None else int(row[0])
