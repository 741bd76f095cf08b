"""Replays and what they did: the tables replays and postback_judgements, and the postbacks they are about. SQL only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from tracking.conversions import PostbackOutcome
from worker.conversions import Claim
from worker.postbacks.reparsing import Reading, StoredPostback
from worker.runtime import Connection

# Another process may be at it: two of them take turns, a part each.
_LOCK = (
    "select replay_id, filter, dry, created_at, after_received_at, after_postback_id, found is null from replays"
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
_FOUND = (
    f"update replays set state = 'running', found = (select count(*) {_CHOSEN})"  # noqa: S608
    " where replay_id = %(replay_id)s"
)
_PART = (
    f"select p.postback_id {_CHOSEN}"
    " and (%(after_received_at)s::timestamptz is null"
    " or (p.received_at, p.postback_id) > (%(after_received_at)s::timestamptz, %(after_postback_id)s::uuid))"
    " order by p.received_at, p.postback_id limit %(limit)s"
)
_POSTBACKS = (
    "select postback_id, received_at, method, route, host, query, content_type, body, host(ip), user_agent, nonce,"
    " merchant_id, authenticated, click_id, event, order_id, status_sent, payout_minor, currency, outcome, reason,"
    " conversion_id, coalesce(claimed, answered in (200, 409)), corrections from postbacks"
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
_SAVE_READING = (
    "update postbacks set click_id = %s, event = %s, order_id = %s, status_sent = %s, payout_minor = %s, currency = %s,"
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
# Noted as looked at, so that a long queue is not filled with jobs of one replay.
_UNFINISHED = (
    "update replays set updated_at = now() where replay_id in (select replay_id from replays"
    " where state in ('waiting', 'running') and updated_at < now() - make_interval(secs => %s)"
    " for update skip locked) returning replay_id"
)


class Replay(NamedTuple):
    """A replay in progress: which postbacks it is about, and how far it has come in their order."""

    replay_id: int
    filter: Mapping[str, Any]
    dry: bool
    created_at: datetime
    after_received_at: datetime | None
    after_postback_id: UUID | None
    is_new: bool

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of the queries about its postbacks."""
        return {**{name: self.filter.get(name) for name in _FILTER}, **self._asdict()}


class Judgement(NamedTuple):
    """What became of one postback, or would have."""

    postback_id: UUID
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    note: str | None

    @property
    def changed(self) -> bool:
        """Whether anything of it is another than before."""
        return self.before != self.after


def lock_replay(connection: Connection, replay_id: int) -> Replay | None:
    """Return a replay that is not done, locked; None where it is, or where another process has it just now."""
    row = connection.execute(_LOCK, [replay_id]).fetchone()
    return None if row is None else Replay(*row)


def count_found(connection: Connection, replay: Replay) -> None:
    """Note how many postbacks a replay is about."""
    connection.execute(_FOUND, replay.values, prepare=False)


def next_part(connection: Connection, replay: Replay, limit: int) -> list[UUID]:
    """Return the next postbacks of a replay, in the order in which they were received."""
    rows = connection.execute(_PART, replay.values | {"limit": limit}, prepare=False)
    return [row[0] for row in rows]


def related_before(connection: Connection, replay: Replay, claims: Iterable[Claim], limit: int) -> list[UUID]:
    """Return the latest postbacks that a replay has changed and that are about the same clicks or orders as claims."""
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
    """Return what postbacks and their conversions are, as a judgement shows it."""
    return dict(connection.execute(_SNAPSHOTS, [list(postback_ids)]).fetchall())


def save_reading(connection: Connection, postback_id: UUID, reading: Reading) -> None:
    """Write the fields of a new reading, which is a claim."""
    assert reading.claim is not None
    _, _, *said = reading.claim[:8]
    connection.execute(_SAVE_READING, [*said, Jsonb(list(reading.corrections)), postback_id])


def save_unreadable(connection: Connection, postback_id: UUID, reading: Reading) -> None:
    """Refuse a postback that says nothing, for the reason its new reading gives."""
    refused = [PostbackOutcome.REFUSED.value, reading.reason, reading.detail]
    connection.execute(_SAVE_UNREADABLE, [*refused, postback_id])


def save_judgements(connection: Connection, replay: Replay, judgements: Sequence[Judgement]) -> None:
    """Keep what a part of a replay came to."""
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
    """Note how far a replay has come, and count what it came to."""
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
    """End a replay: done, or failed with an error."""
    connection.execute(_FINISH, [state, error, replay_id])


def unfinished(connection: Connection, idle_s: float) -> list[int]:
    """Return the replays that are not done and that nobody has worked or looked at for some seconds."""
    return sorted(row[0] for row in connection.execute(_UNFINISHED, [idle_s]))
