"""The tables replays and postback_judgements, and the postbacks that a replay is about. SQL only."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.errors import QueryCanceled
from psycopg.types.json import Jsonb

from config.tables import postbacks
from tracking.conversions import PostbackOutcome
from worker.conversions import Claim
from worker.postbacks.reparsing import Reparsed, StoredPostback
from worker.runtime import Connection, PermanentError, log

# The count is only shown to the operator. For a hundred million postbacks it takes longer than any statement may, and
# the replay goes on without it.
COUNT_TIMEOUT_MS = 10_000

# Another process may be working at the replay: two processes take turns, one part each.
_LOCK = (
    "select replay_id, filter, dry, created_at, after_received_at, after_postback_id, state = 'waiting' from replays"
    " where replay_id = %s and state in ('waiting', 'running') for update skip locked"
)
_CHOSEN = (
    " from postbacks p where p.stored_at <= %(created_at)s"
    " and (%(postback_ids)s::uuid[] is null or p.postback_id = any(%(postback_ids)s::uuid[]))"
    " and (%(outcome)s::text is null or p.outcome = %(outcome)s::text)"
    " and (%(reason)s::text is null or p.reason = %(reason)s::text)"
    " and (%(merchant_id)s::bigint is null or p.merchant_id = %(merchant_id)s::bigint)"
    " and (%(event)s::text is null or p.event = %(event)s::text)"
    " and (%(from)s::timestamptz is null or p.received_at >= %(from)s::timestamptz)"
    " and (%(to)s::timestamptz is null or p.received_at < %(to)s::timestamptz)"
)
_FILTER = ("postback_ids", "outcome", "reason", "merchant_id", "event", "from", "to")
_COUNT = f"select count(*) {_CHOSEN}"
_BEGIN = "update replays set state = 'running', found = %s where replay_id = %s"
_PART = (
    f"select p.postback_id {_CHOSEN}"
    " and (%(after_received_at)s::timestamptz is null"
    " or (p.received_at, p.postback_id) > (%(after_received_at)s::timestamptz, %(after_postback_id)s::uuid))"
    " order by p.received_at, p.postback_id limit %(limit)s"
)
_EXPRESSIONS = {"ip": postbacks.READABLE_IP, "claimed": postbacks.IS_CLAIM, "erased": "erased_at is not null"}
_POSTBACKS = (
    f"select {', '.join(_EXPRESSIONS.get(name, name) for name in StoredPostback._fields)} from postbacks"  # noqa: S608
    " where postback_id = any(%s) order by received_at, postback_id"
)
_SNAPSHOTS = (
    "select p.postback_id, jsonb_build_object('outcome', p.outcome, 'reason', p.reason, 'detail', p.detail,"
    " 'click_id', p.click_id, 'event', p.event, 'order_id', p.order_id, 'status', p.status_sent,"
    " 'payout_minor', p.payout_minor, 'currency', p.currency, 'conversion_id', p.conversion_id,"
    " 'conversion', case when c.conversion_id is not null then jsonb_build_object('event', c.event,"
    " 'status', c.status, 'reason', c.reason, 'payout_minor', c.payout_minor, 'currency', c.currency) end)"
    " from postbacks p left join conversions c using (conversion_id) where p.postback_id = any(%s)"
)
_SAVE_REPARSED = (
    f"update postbacks set {', '.join(f'{name} = %s' for name in postbacks.CLAIM)},"  # noqa: S608
    " corrections = %s, claimed = true, detail = null where postback_id = %s"
)
_SAVE_UNREADABLE = (
    "update postbacks set outcome = %s, reason = %s, detail = %s, claimed = false, conversion_id = null"
    " where postback_id = %s"
)
_SAVE_JUDGEMENT = (
    "insert into postback_judgements (replay_id, postback_id, changed, before, after, note)"
    " values (%s, %s, %s, %s, %s, %s)"
)
_PROGRESS = (
    "update replays set examined = examined + %(examined)s, changed = changed + %(changed)s, outcomes = %(outcomes)s,"
    " after_received_at = %(after_received_at)s, after_postback_id = %(after_postback_id)s, updated_at = now()"
    " where replay_id = %(replay_id)s"
)
_RELATED = (
    "select postback_id from postback_judgements where replay_id = %(replay_id)s and changed"
    " and (after ->> 'click_id' = any(%(click_ids)s) or after ->> 'order_id' = any(%(order_ids)s))"
    " order by judgement_id desc limit %(limit)s"
)
_FINISH = (
    "update replays set state = %s, error = %s, finished_at = now(), updated_at = now()"
    " where replay_id = %s and state in ('waiting', 'running')"
)
# The update keeps the same replay from being queued again and again while the queue is long.
_UNFINISHED = (
    "update replays set updated_at = now() where replay_id in (select replay_id from replays"
    " where state in ('waiting', 'running') and updated_at < now() - make_interval(secs => %s)"
    " for update skip locked) returning replay_id"
)


class Replay(NamedTuple):
    """A replay in progress: which postbacks it is about, and the last of them that is done."""

    replay_id: int
    filter: Mapping[str, Any]
    dry: bool
    created_at: datetime
    after_received_at: datetime | None
    after_postback_id: UUID | None
    is_new: bool

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of the queries for its postbacks."""
        return {**{name: self.filter.get(name) for name in _FILTER}, **self._asdict()}


class Judgement(NamedTuple):
    """What a replay did with one postback, or would have done."""

    postback_id: UUID
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    note: str | None

    @property
    def changed(self) -> bool:
        """Whether the replay changed anything about the postback."""
        return self.before != self.after


def lock_replay(connection: Connection, replay_id: int) -> Replay | None:
    """Lock and return an unfinished replay; None if it is finished or another process has it locked."""
    row = connection.execute(_LOCK, [replay_id]).fetchone()
    return None if row is None else Replay(*row)


def begin(connection: Connection, replay: Replay) -> None:
    """Note that a replay is running, and how many postbacks it is about (null if counting takes too long)."""
    connection.execute(_BEGIN, [_count(connection, replay), replay.replay_id])


def next_part(connection: Connection, replay: Replay, limit: int) -> list[UUID]:
    """Return the next postbacks of a replay, in the order in which they were received.

    Raises PermanentError if the query takes too long, since no index fits the filter: a retry would take as long.
    """
    try:
        rows = connection.execute(_PART, replay.values | {"limit": limit}, prepare=False)
    except QueryCanceled as error:
        raise PermanentError(
            "to find the next postbacks takes longer than a statement may; give the filter from and to"
        ) from error
    return [row[0] for row in rows]


def related_before(connection: Connection, replay: Replay, claims: Iterable[Claim], limit: int) -> list[UUID]:
    """Return the latest postbacks that a replay changed and that are about the same clicks or orders as `claims`."""
    about = list(claims)
    wanted = {
        "replay_id": replay.replay_id,
        "click_ids": [str(claim.click_id) for claim in about],
        "order_ids": [claim.order_id for claim in about if claim.order_id is not None],
        "limit": limit,
    }
    return [row[0] for row in connection.execute(_RELATED, wanted)]


def load_postbacks(connection: Connection, postback_ids: Sequence[UUID], *, lock: bool = False) -> list[StoredPostback]:
    """Return postbacks in the order in which they were received; with `lock`, locked until the transaction ends."""
    query = f"{_POSTBACKS} for update" if lock else _POSTBACKS
    return [StoredPostback(*row) for row in connection.execute(query, [list(postback_ids)])]


def load_snapshots(connection: Connection, postback_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the state of postbacks and their conversions, as a judgement shows it."""
    return dict(connection.execute(_SNAPSHOTS, [list(postback_ids)]).fetchall())


def save_reparsed(connection: Connection, postback_id: UUID, parsed: Reparsed) -> None:
    """Write the claim that parsing a postback again gave."""
    assert parsed.claim is not None
    _, _, *said = parsed.claim[:8]
    connection.execute(_SAVE_REPARSED, [*said, Jsonb(list(parsed.corrections)), postback_id])


def save_unreadable(connection: Connection, postback_id: UUID, parsed: Reparsed) -> None:
    """Refuse a postback that cannot be parsed, with the reason that parsing gave."""
    refused = [PostbackOutcome.REFUSED.value, parsed.reason, parsed.detail]
    connection.execute(_SAVE_UNREADABLE, [*refused, postback_id])


def save_judgements(connection: Connection, replay: Replay, judgements: Sequence[Judgement]) -> None:
    """Store the judgements of one part of a replay."""
    with connection.cursor() as cursor:
        cursor.executemany(
            _SAVE_JUDGEMENT,
            [
                (replay.replay_id, each.postback_id, each.changed, Jsonb(each.before), Jsonb(each.after), each.note)
                for each in judgements
            ],
        )


def save_progress(
    connection: Connection, replay: Replay, judgements: Sequence[Judgement], last: StoredPostback
) -> None:
    """Note how far a replay has come, and add its judgements to the counts."""
    row = connection.execute("select outcomes from replays where replay_id = %s", [replay.replay_id]).fetchone()
    outcomes: dict[str, dict[str, int]] = {} if row is None else row[0]
    for each in judgements:
        of_before = outcomes.setdefault(each.before["outcome"], {})
        of_before[each.after["outcome"]] = of_before.get(each.after["outcome"], 0) + 1
    connection.execute(
        _PROGRESS,
        {
            "replay_id": replay.replay_id,
            "examined": len(judgements),
            "changed": sum(each.changed for each in judgements),
            "outcomes": Jsonb(outcomes),
            "after_received_at": last.received_at,
            "after_postback_id": last.postback_id,
        },
    )


def finish(connection: Connection, replay_id: int, state: str, error: str | None = None) -> None:
    """End a replay as done, or as failed with an error."""
    connection.execute(_FINISH, [state, error, replay_id])


def unfinished(connection: Connection, idle_s: float) -> list[int]:
    """Return the unfinished replays that no process has worked at or queued for some seconds."""
    return sorted(row[0] for row in connection.execute(_UNFINISHED, [idle_s]))


def _count(connection: Connection, replay: Replay) -> int | None:
    try:
        # The rollback also ends the timeout.
        with connection.transaction(force_rollback=True):
            connection.execute(f"set local statement_timeout = {COUNT_TIMEOUT_MS}")
            row = connection.execute(_COUNT, replay.values, prepare=False).fetchone()
    except QueryCanceled:
        log("replay-not-counted", logging.WARNING, replay=replay.replay_id)
        return None
    return None if row is None else int(row[0])
