"""Deliveries, their attempts, and the state of outgoing postbacks. SQL only.

Before anything is sent, one transaction writes the attempt and moves the delivery's `due_at` past the longest time that
an attempt can take. If the worker dies then, the delivery is due again after that time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from config.tables import delivery_attempts
from tracking.issues import IssueKind
from tracking.outgoing import LEASE_S, SUSPEND_AFTER_S, AttemptError, retry_delay_s
from worker.issues import open_issue
from worker.outgoing.attempts import AttemptResult, ClaimedDelivery
from worker.outgoing.client import Request
from worker.runtime import Connection
from worker.spool import storable_text

# Of each partner as many as it has slots for, in turns: the first of each, then the second of each, and so on. A test
# is sent whatever the state of its outgoing postback. A later change of a conversion waits until the earlier ones are
# sent or given up: else a partner could hear of a reversal first, and then of the approval before it. Only what was
# chosen is locked: what another process has locked, or claimed meanwhile, is left to it.
_CLAIM = """
    with free as (select * from unnest(%(origins)s::text[], %(slots)s::int[]) as free (origin, slots)),
    candidates as (
        select due.delivery_id, due.due_at, p.origin, coalesce(f.slots, %(limit)s) as slots
        from outgoing_postbacks p left join free f using (origin)
        cross join lateral (
            select d.delivery_id, d.due_at from deliveries d
            where d.outgoing_postback_id = p.outgoing_postback_id and d.state = 'pending' and d.due_at <= now()
                and not exists (
                    select from deliveries e where e.conversion_id = d.conversion_id and e.state = 'pending'
                        and e.outgoing_postback_id = d.outgoing_postback_id and e.change_id < d.change_id)
            order by d.due_at limit least(coalesce(f.slots, %(limit)s), %(free)s)
        ) due
        where p.state = 'enabled'
    ),
    ranked as (select *, row_number() over (partition by origin order by due_at) as turn from candidates),
    chosen as (
        (select delivery_id from ranked where turn <= slots order by turn, due_at limit %(free)s)
        union
        (select delivery_id from deliveries where is_test and state = 'pending' and due_at <= now()
            order by due_at limit %(free)s)
    ),
    locked as (
        select d.delivery_id from deliveries d join chosen using (delivery_id)
        where d.state = 'pending' and d.due_at <= now() for update of d skip locked
    ),
    claimed as (
        update deliveries d set due_at = now() + make_interval(secs => %(lease_s)s), attempts = attempts + 1,
            tries = tries + 1
        from locked where d.delivery_id = locked.delivery_id
        returning d.delivery_id, d.attempts, d.tries, d.facts, d.is_test, d.outgoing_postback_id
    ),
    written as (insert into delivery_attempts (delivery_id, attempt) select delivery_id, attempts from claimed)
    select claimed.*, p.origin, p.method, p.url, p.secrets
    from claimed join outgoing_postbacks p using (outgoing_postback_id)
"""
# Takes arrays with one element for each attempt, so that a round of hundreds is a handful of statements.
_END_ATTEMPTS = f"""
    update delivery_attempts a set ended_at = now(),
        {", ".join(f"{name} = e.{name}" for name in delivery_attempts.ENDED)}
    from unnest(%s::uuid[], %s::integer[], {", ".join(f"%s::{kind}[]" for kind in delivery_attempts.ENDED.values())})
        as e (delivery_id, attempt, {", ".join(delivery_attempts.ENDED)})
    where a.delivery_id = e.delivery_id and a.attempt = e.attempt
"""  # noqa: S608
_DELIVERED = (
    "update deliveries set state = 'delivered', due_at = null, finished_at = now()"
    " where delivery_id = any(%s) and state = 'pending'"
)
# Only the newest attempt counts: one that was given up, and reports after all, must not disturb its successor. Without
# a delay it was the last attempt.
_FAILED = """
    update deliveries d set state = case when e.delay_s is null then 'failed' else 'pending' end,
        due_at = now() + make_interval(secs => e.delay_s), finished_at = case when e.delay_s is null then now() end
    from unnest(%s::uuid[], %s::integer[], %s::float8[]) as e (delivery_id, attempt, delay_s)
    where d.delivery_id = e.delivery_id and d.attempts = e.attempt and d.state = 'pending'
"""
_WORKS = (
    "update outgoing_postbacks set failing_since = null"
    " where outgoing_postback_id = any(%s) and failing_since is not null"
)
_FAILS = (
    "update outgoing_postbacks set failing_since = now() where outgoing_postback_id = any(%s) and failing_since is null"
)
_SUSPEND = (
    "update outgoing_postbacks set state = 'suspended', state_reason = 'failing', revision = revision + 1,"
    " updated_at = now() where outgoing_postback_id = any(%s) and state = 'enabled'"
    " and failing_since <= now() - make_interval(secs => %s) returning outgoing_postback_id, name, failing_since"
)
_DISABLE = (
    "update outgoing_postbacks set state = 'disabled', state_reason = 'gone', revision = revision + 1,"
    " updated_at = now() where outgoing_postback_id = any(%s) and state <> 'disabled'"
    " returning outgoing_postback_id, name"
)


def claim(connection: Connection, free_slots: Mapping[str, int], limit: int, free: int) -> list[ClaimedDelivery]:
    """Claim up to `free` due deliveries: of each origin as many as `free_slots` says, else `limit`."""
    if free < 1:
        return []
    values = {
        "origins": list(free_slots),
        "slots": list(free_slots.values()),
        "limit": limit,
        "free": free,
        "lease_s": LEASE_S,
    }
    return [ClaimedDelivery(*row) for row in connection.execute(_CLAIM, values).fetchall()]


def record(connection: Connection, ended: Sequence[AttemptResult], chance: float) -> None:
    """Write how attempts ended, and what follows for their deliveries and outgoing postbacks.

    Writing the same attempts twice changes nothing.
    """
    if not ended:
        return
    connection.execute(_END_ATTEMPTS, [list(column) for column in zip(*map(_attempt_values, ended), strict=True)])
    delivered = [each.claimed.delivery_id for each in ended if each.error is None]
    if delivered:
        connection.execute(_DELIVERED, [delivered])
    failed = [each for each in ended if each.error is not None]
    if failed:
        connection.execute(
            _FAILED,
            [
                [each.claimed.delivery_id for each in failed],
                [each.claimed.attempt for each in failed],
                [_delay_s(each, chance) for each in failed],
            ],
        )
    _record_health(connection, [each for each in ended if not each.claimed.is_test])


def _delay_s(ended: AttemptResult, chance: float) -> float | None:
    """Return after how long a failed delivery is tried again; None for a test, and after a 410."""
    if ended.claimed.is_test or ended.error is AttemptError.GONE:
        return None
    delay_s = retry_delay_s(ended.claimed.tries, chance, ended.retry_after_s)
    # PostgreSQL takes no array that mixes integers and floats.
    return None if delay_s is None else float(delay_s)


def _record_health(connection: Connection, ended: Sequence[AttemptResult]) -> None:
    """Note which partners work and which fail. A partner that took any delivery in this round works."""
    working = {each.claimed.outgoing_postback_id for each in ended if each.error is None}
    failing = {
        each.claimed.outgoing_postback_id: each for each in ended if each.claimed.outgoing_postback_id not in working
    }
    if working:
        connection.execute(_WORKS, [sorted(working)])
    if not failing:
        return
    connection.execute(_FAILS, [sorted(failing)])
    gone = sorted(postback_id for postback_id, last in failing.items() if last.error is AttemptError.GONE)
    titles = {
        postback_id: f"{name!r} was disabled: its partner answered 410 Gone"
        for postback_id, name in connection.execute(_DISABLE, [gone]).fetchall()
    }
    titles |= {
        postback_id: f"{name!r} was suspended: every attempt since {since:%Y-%m-%d %H:%M} UTC has failed"
        for postback_id, name, since in connection.execute(_SUSPEND, [sorted(failing), SUSPEND_AFTER_S]).fetchall()
    }
    # In this order, as everywhere where a transaction opens several issues.
    for postback_id in sorted(titles, key=_subject_key):
        _open_issue(connection, postback_id, titles[postback_id], failing[postback_id])


def _subject_key(postback_id: int) -> str:
    return f"outgoing-postback:{postback_id}"


def _open_issue(connection: Connection, postback_id: int, title: str, last: AttemptResult) -> None:
    detail = {
        "outgoing_postback_id": postback_id,
        "delivery_id": str(last.claimed.delivery_id),
        "error": last.error,
        "response_status": None if last.answer is None else last.answer.status,
        "fix": "mend the URL or ask the partner, then set the state to enabled; what is pending is sent then",
    }
    open_issue(connection, IssueKind.DELIVERY_SUSPENDED, _subject_key(postback_id), title, detail)


def _attempt_values(ended: AttemptResult) -> list[Any]:
    request, answer = ended.request, ended.answer
    return [
        *(ended.claimed.delivery_id, ended.claimed.attempt, round(ended.duration_s * 1000)),
        *([None] * 4 if request is None else _request_values(request)),
        ended.address,
        *([None] * 3 if answer is None else [answer.status, Jsonb(answer.headers), answer.body]),
        None if ended.error is None else ended.error.value,
        None if ended.detail is None else storable_text(ended.detail),
    ]


def _request_values(request: Request) -> list[Any]:
    return [request.method, request.url, Jsonb(dict(request.headers)), request.body.decode() or None]
