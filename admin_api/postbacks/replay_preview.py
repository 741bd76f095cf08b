"""Previews of replays: how many postbacks a filter finds now. What is stored later is left out when it is carried out.

The token says when the preview was made and what its filter was. It cannot stand for the postbacks themselves, which
may be millions: the worker finds them again, by the filter and the moment.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import orjson
from psycopg import sql

from admin_api.http import OUTDATED, ConflictError, preview_token
from admin_api.postbacks.replay_objects import ReplayFilter
from admin_api.runtime import Database

_TOKEN = re.compile("([0-9a-f]{1,16})-[0-9a-f]{32}")
# Whoever comes later looks again: by then the postbacks may be others.
_CLOCKS_DIFFER_BY = timedelta(minutes=1)
_VALID_FOR = timedelta(hours=24)


def preview_replay(database: Database, wanted: ReplayFilter) -> tuple[int, str]:
    """Return how many postbacks a filter finds that are stored by now, and the token of this preview."""
    chosen = wanted.chosen()
    query = sql.SQL("select now() as at, (select count(*) from postbacks {}) as count").format(chosen.where())
    row = database.execute(query, chosen.values, prepare=False).fetchone()
    assert row is not None
    return int(row["count"]), _token(wanted, row["at"])


def require_moment(wanted: ReplayFilter, token: str) -> datetime:
    """Return the moment of a preview. Raises ConflictError if it was of another filter, or is older than a day."""
    found = _TOKEN.fullmatch(token)
    at = datetime.fromtimestamp(int(found[1], 16) / 1e6, UTC) if found and int(found[1], 16) < 2**52 else None
    now = datetime.now(UTC)
    if at is None or not now - _VALID_FOR < at <= now + _CLOCKS_DIFFER_BY or token != _token(wanted, at):
        raise ConflictError(
            "this token is of no preview of this filter within the last 24 hours; ask for a preview again",
            code=OUTDATED,
            field="token",
        )
    return at


def _token(wanted: ReplayFilter, at: datetime) -> str:
    stamp = f"{round(at.timestamp() * 1e6):x}"
    return f"{stamp}-{preview_token([stamp, orjson.dumps(wanted.stated(), option=orjson.OPT_SORT_KEYS)])}"
