"""Sends scheduled reports, in a thread of the admin process. Several admin processes may do so at once.

    plan what is due (commit) → claim a mail (commit) → render it → note that it is about to be sent (commit) → send it
    → note what became of it (commit)

A kill before the note loses nothing: the lease ends, and the mail is claimed again. A kill after it leaves a mail of
which nobody knows whether it was sent. It is sent again with the same Message-ID, and its `doubts` say so.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

import psycopg

from admin_api.runtime import Pool, act_for_nobody
from admin_api.saved_reports.attempts import Collaborators, Renderer, attempt
from admin_api.saved_reports.letters import mint_message_id
from admin_api.saved_reports.mail_table import claim_mail, delete_old_mails, plan_due
from admin_api.saved_reports.smtp import SmtpServer
from config.settings import MailSettings
from tracking.runtime import WaypostError

POLL_S = 5.0
TIDY = timedelta(hours=1)
_log = logging.getLogger("waypost.mailer")


def now_utc() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class Mailer:
    """The mailing thread. Without a server, what is due fails and says so."""

    def __init__(self, pool: Pool, renderer: Renderer, settings: MailSettings | None) -> None:
        server = None if settings is None else SmtpServer(settings)
        self._parts = Collaborators(pool, renderer, server, now_utc)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mailer", daemon=True)
        self._failure: type[Exception] | None = None
        self._tidied_at = datetime.min.replace(tzinfo=UTC)

    def start(self) -> None:
        """Start mailing."""
        self._thread.start()

    def stop(self, timeout_s: float = 10) -> None:
        """Finish the current mail and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        act_for_nobody()
        while not self._stopping.is_set():
            try:
                more = mail_round(self._parts)
                self._tidy()
                self._failure = None
            except (psycopg.Error, WaypostError) as error:
                more = self._note_failure(error)
            except Exception as error:  # noqa: BLE001 - the loop's boundary
                more = self._note_failure(error, traceback=True)
            if not more:
                self._stopping.wait(POLL_S)

    def _tidy(self) -> None:
        now = self._parts.clock()
        if now - self._tidied_at >= TIDY:
            with self._parts.pool.connection() as database:
                delete_old_mails(database, now)
            self._tidied_at = now

    def _note_failure(self, error: Exception, *, traceback: bool = False) -> bool:
        """Log the first failure of its kind in a row, so that an hour without PostgreSQL is one line."""
        if type(error) is not self._failure:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            _log.warning("mailing failed, trying until it works: %s", reason, exc_info=error if traceback else None)
        self._failure = type(error)
        return False


def mail_round(parts: Collaborators) -> bool:
    """Plan what is due, and send one mail. Return whether there may be more to do at once."""
    sender = parts.server.sender if parts.server else ""
    with parts.pool.connection() as database:
        planned = plan_due(database, parts.clock(), lambda: mint_message_id(sender))
        mail = claim_mail(database, parts.clock())
    if mail is not None:
        attempt(parts, mail)
    return bool(planned) or mail is not None
