"""One attempt to send a mail: render the report with its owner's rights, hand it over, and store what became of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

from admin_api.http import ForbiddenError, InvalidFieldsError
from admin_api.issues import open_issue
from admin_api.runtime import Actor, Database, Pool, Row, acting_for
from admin_api.saved_reports.letters import Letter, write_letter
from admin_api.saved_reports.mail_table import Ending, begin_handing_over, end_attempt, suspend_schedule
from admin_api.saved_reports.owners import OwnerError, load_owner
from admin_api.saved_reports.smtp import Handed, MailError, SmtpServer
from tracking.issues import IssueKind
from tracking.runtime import FieldError, WaypostError

# How long after each failed attempt the next one is made. After the last one nothing more is tried.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360))
ATTEMPTS_MAX = len(PAUSES) + 1
# An issue is opened from this attempt on.
ISSUE_ATTEMPTS = 3
# Most mail servers take 10 to 25 MB, and an attachment grows by a third in a message.
FILE_BYTES_MAX = 7 * 1024 * 1024
_log = logging.getLogger("waypost.mailer")


class Renderer(Protocol):
    """Writes reports to files. It raises FieldError, ForbiddenError or ConflictError for what cannot be answered."""

    def check(self, question: Mapping[str, str], now: datetime) -> None:
        """Raise FieldError for a question that cannot be saved."""

    def dated(self, question: Mapping[str, str], at: datetime) -> dict[str, str]:
        """Return a saved question with the days that its period stands for at a moment."""

    def write(self, question: Mapping[str, str], viewer: Actor, at: datetime, kind: str, file: BinaryIO) -> list[str]:
        """Write the whole answer to a dated question, as a viewer may see it, to a file as CSV or XLSX.

        Return what a reader must know beside the file, in sentences.
        """


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What attempts work with. `server` is None where no mail server is set."""

    pool: Pool
    renderer: Renderer
    server: SmtpServer | None
    clock: Callable[[], datetime]


class LeaseLostError(WaypostError):
    """Another process has taken the mail over, so this one must not send it."""


class _TooLargeError(WaypostError):
    """The file is larger than a mail may be."""


class _EndlessError(WaypostError):
    """No attempt has come to an end."""


_PERMANENT = (FieldError, InvalidFieldsError, ForbiddenError, OwnerError, _TooLargeError, _EndlessError)


def attempt(parts: Collaborators, mail: Row) -> None:
    """Try to send a claimed mail.

    An error of another kind than ours, such as of the database, ends it as a crash does: it is claimed again when its
    lease ends.
    """
    if mail["attempts"] > ATTEMPTS_MAX:
        _store_failure(parts, mail, _EndlessError("every attempt ended without a result; see the log of the admin"))
        return
    try:
        handed = _send(parts, mail)
    except LeaseLostError as error:
        _log.warning("mail %s: %s", mail["report_mail_id"], error.message)
    except WaypostError as error:
        _store_failure(parts, mail, error)
    else:
        _store_handed(parts, mail, handed)


def _send(parts: Collaborators, mail: Row) -> Handed:
    if parts.server is None:
        raise MailError("no mail server is set: see SMTP_URL")
    with parts.pool.connection() as database:
        report = _load_report(database, mail)
        owner = load_owner(database, report)
    content = _render(parts, mail, report, owner)
    server = parts.server

    def about_to_send() -> None:
        with parts.pool.connection() as database:
            if not begin_handing_over(database, mail, parts.clock()):
                raise LeaseLostError("another process has taken it over")

    return server.hand_over(content, mail["recipients"], about_to_send)


def _load_report(database: Database, mail: Row) -> Row:
    report = database.execute(
        "select * from saved_reports where saved_report_id = %s", [mail["saved_report_id"]]
    ).fetchone()
    if report is None:
        # Its mails are deleted with it.
        raise LeaseLostError("its report was deleted")
    return report


def _render(parts: Collaborators, mail: Row, report: Row, owner: Actor) -> bytes:
    assert parts.server is not None
    question = parts.renderer.dated(report["question"], mail["due_at"])
    # SECURITY: everything that the report reads is read in the owner's role, with the row rules of a partner.
    with acting_for(owner), TemporaryFile() as file:
        notes = parts.renderer.write(question, owner, mail["due_at"], mail["format"], file)
        if (size := file.tell()) > FILE_BYTES_MAX:
            most = f"{FILE_BYTES_MAX / 1024 / 1024:.0f} MB"
            raise _TooLargeError(
                f"the file has {size / 1024 / 1024:.1f} MB, and a mail takes {most}; ask for fewer rows"
            )
        file.seek(0)
        data = file.read()
    letter = Letter(
        name=report["name"],
        question=question,
        format=mail["format"],
        recipients=mail["recipients"],
        message_id=mail["message_id"],
        due_at=mail["due_at"],
        owner=owner.name,
        notes=notes,
    )
    return write_letter(letter, parts.server.sender, data)


def _store_handed(parts: Collaborators, mail: Row, handed: Handed) -> None:
    now = parts.clock()
    waits = bool(handed.deferred) and mail["attempts"] < ATTEMPTS_MAX
    refused = handed.refused | ({} if waits else handed.deferred)
    words = "; ".join(f"{address}: {said}" for address, said in (handed.refused | handed.deferred).items())
    ending = Ending(
        state="waiting" if waits else "sent",
        recipients=tuple(handed.deferred) if waits else (),
        next_attempt_at=_next_attempt(mail, now),
        accepted=handed.accepted,
        refused=refused,
        error=f"some recipients were refused: {words}"[:1000] if words else None,
    )
    with parts.pool.connection() as database, database.transaction():
        end_attempt(database, mail, now, ending)
        if refused:
            _open_issue(database, mail, ending.error or "")


def _store_failure(parts: Collaborators, mail: Row, error: WaypostError) -> None:
    now, attempts = parts.clock(), mail["attempts"]
    permanent = isinstance(error, _PERMANENT) or (isinstance(error, MailError) and error.permanent)
    ends = permanent or attempts >= ATTEMPTS_MAX
    ending = Ending(
        state="failed" if ends else "waiting",
        recipients=mail["recipients"],
        next_attempt_at=_next_attempt(mail, now),
        error=error.message[:1000],
        doubts=int(isinstance(error, MailError) and error.in_doubt),
    )
    _log.warning("mail %s, attempt %s: %s", mail["report_mail_id"], attempts, error.message)
    with parts.pool.connection() as database, database.transaction():
        end_attempt(database, mail, now, ending)
        if isinstance(error, OwnerError) and mail["report_schedule_id"] is not None:
            suspend_schedule(database, mail["report_schedule_id"], error.message)
        if ends or attempts >= ISSUE_ATTEMPTS:
            _open_issue(database, mail, error.message)


def _next_attempt(mail: Row, now: datetime) -> datetime:
    number: int = mail["attempts"]
    return now + PAUSES[min(number, len(PAUSES)) - 1]


def _open_issue(database: Database, mail: Row, error: str) -> None:
    detail = {
        "saved_report_id": mail["saved_report_id"],
        "report_schedule_id": mail["report_schedule_id"],
        "report_mail_id": mail["report_mail_id"],
        "error": error,
    }
    subject = f"saved-report:{mail['saved_report_id']}"
    open_issue(database, IssueKind.REPORT_NOT_SENT, subject, "A scheduled report was not sent to everybody", detail)
