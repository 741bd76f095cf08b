"""The mailer's statements: which schedules are due, and how far each mail is. SQL only.

Every step of a mail is committed before the next one is taken, so a crash anywhere leaves a trace in `state`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from admin_api.runtime import Database, Row
from admin_api.saved_reports.recurrence import Recurrence

SCHEDULES_AT_ONCE = 50
# Longer than any attempt: rendering, which has a statement timeout for each step, and the SMTP session.
LEASE = timedelta(minutes=15)
KEPT = timedelta(days=90)
_DUE = """
    select * from report_schedules where active and suspended_reason is null and next_at <= %s
    order by next_at limit %s for update skip locked
"""
_ADD = """
    insert into report_mails (
        saved_report_id, report_schedule_id, due_at, message_id, format, recipients, next_attempt_at
    )
    values (
        %(saved_report_id)s, %(report_schedule_id)s, %(due_at)s, %(message_id)s, %(format)s, %(recipients)s, %(now)s
    )
    on conflict do nothing returning *
"""
_CLAIM = """
    update report_mails set state = 'preparing', attempts = attempts + 1, leased_until = %(leased_until)s,
        doubts = doubts + (state = 'handing_over')::int
    where report_mail_id = (
        select report_mail_id from report_mails
        where state = 'waiting' and next_attempt_at <= %(now)s
            or state in ('preparing', 'handing_over') and leased_until <= %(now)s
        order by next_attempt_at limit 1 for update skip locked
    )
    returning *
"""
_HAND_OVER = """
    update report_mails set state = 'handing_over', leased_until = %s
    where report_mail_id = %s and state = 'preparing' and attempts = %s
"""
_END = """
    update report_mails set state = %(state)s, recipients = %(recipients)s, accepted = accepted || %(accepted)s::text[],
        refused = refused || %(refused)s, last_error = %(error)s, next_attempt_at = %(next_attempt_at)s,
        doubts = doubts + %(doubts)s, leased_until = null,
        ended_at = case when %(state)s in ('sent', 'failed') then %(now)s end
    where report_mail_id = %(report_mail_id)s and attempts = %(attempts)s and state in ('preparing', 'handing_over')
"""


class Ending(NamedTuple):
    """What became of an attempt: the next state, who is still to get the mail, who got it, and who was refused."""

    state: str
    recipients: Sequence[str]
    next_attempt_at: datetime
    accepted: Sequence[str] = ()
    refused: dict[str, str] = {}
    error: str | None = None
    doubts: int = 0


def plan_due(database: Database, now: datetime, mint_id: Callable[[], str]) -> int:
    """Make a mail for each schedule that is due, and set when it is due next. Return how many were due.

    What was missed while no admin ran is made up for by one mail, for the last moment that was missed. RACE: of several
    admin processes one has a schedule's lock, and the others pass over it.
    """
    with database.transaction():
        due = database.execute(_DUE, [now, SCHEDULES_AT_ONCE]).fetchall()
        for schedule in due:
            recurrence = recurrence_of(schedule)
            due_at = recurrence.last_until(now, schedule["next_at"])
            add_mail(database, {**schedule, "due_at": due_at, "now": now, "message_id": mint_id()})
            database.execute(
                "update report_schedules set next_at = %s where report_schedule_id = %s",
                [recurrence.next_after(now), schedule["report_schedule_id"]],
            )
    return len(due)


def add_mail(database: Database, values: Mapping[str, Any]) -> Row | None:
    """Add a mail that waits from now on, and return it, or None if the schedule has one for that moment."""
    return database.execute(_ADD, values).fetchone()


def claim_mail(database: Database, now: datetime) -> Row | None:
    """Take the next mail that is to be sent, or that a crash left behind, or return None."""
    return database.execute(_CLAIM, {"now": now, "leased_until": now + LEASE}).fetchone()


def begin_handing_over(database: Database, mail: Row, now: datetime) -> bool:
    """Note that the message is about to be sent. Return False if another process has taken the mail over."""
    return database.execute(_HAND_OVER, [now + LEASE, mail["report_mail_id"], mail["attempts"]]).rowcount == 1


def end_attempt(database: Database, mail: Row, now: datetime, ending: Ending) -> None:
    """Store what became of an attempt."""
    values = ending._asdict() | {"refused": Jsonb(ending.refused), "accepted": list(ending.accepted), "now": now}
    values["recipients"] = list(ending.recipients)
    database.execute(_END, {**values, "report_mail_id": mail["report_mail_id"], "attempts": mail["attempts"]})


def suspend_schedule(database: Database, report_schedule_id: int, reason: str) -> None:
    """Send nothing of a schedule any more, until somebody switches it on again."""
    database.execute(
        "update report_schedules set suspended_reason = %s, revision = revision + 1, updated_at = now()"
        " where report_schedule_id = %s",
        [reason, report_schedule_id],
    )


def delete_old_mails(database: Database, now: datetime) -> int:
    """Delete what was sent or given up long ago, and return how many rows that were."""
    return database.execute("delete from report_mails where ended_at < %s", [now - KEPT]).rowcount


def recurrence_of(schedule: Row) -> Recurrence:
    """Return when a schedule is due."""
    return Recurrence(*(schedule[name] for name in ("every", "weekday", "day", "hour", "time_zone")))
