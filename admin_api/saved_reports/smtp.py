"""Hands a message over to the SMTP server of the settings, and says what became of it for each recipient.

It says before the message is sent that it is about to be: until then a failure means for certain that nothing was sent.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parseaddr

from config.settings import MailSettings
from tracking.runtime import WaypostError

TIMEOUT_S = 30.0
_SAID_CHARACTERS_MAX = 300
_TAKEN, _FORWARDED, _PERMANENT = 250, 251, 500


class MailError(WaypostError):
    """The message was not taken. `permanent`: the same message will not be taken later either.

    `in_doubt`: the server may have taken it, but its answer did not arrive.
    """

    def __init__(self, message: str, *, permanent: bool = False, in_doubt: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.in_doubt = in_doubt


@dataclass(frozen=True, slots=True)
class Handed:
    """Who was accepted, who was refused for good, and who might be accepted later, with the server's words."""

    accepted: tuple[str, ...]
    refused: dict[str, str]
    deferred: dict[str, str]


class SmtpServer:
    """The server of the settings. `trusted` replaces the certificates that the system trusts."""

    def __init__(self, settings: MailSettings, trusted: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._tls = trusted or ssl.create_default_context()

    @property
    def sender(self) -> str:
        """The address that messages come from, perhaps with a name before it."""
        return self._settings.sender

    def hand_over(self, content: bytes, recipients: Sequence[str], about_to_send: Callable[[], None]) -> Handed:
        """Hand a message over. Raises MailError if nobody is accepted, or if the message is not."""
        try:
            with self._session() as session:
                handed = self._envelope(session, content, recipients)
                about_to_send()
                self._send(session, content)
        except MailError:
            raise
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise MailError(f"the mail server cannot be used: {_said(error)}") from error
        return handed

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        if settings.security == "tls":
            session: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, settings.port, timeout=TIMEOUT_S, context=self._tls)
        else:
            session = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_S)
        try:
            # SECURITY: a server without STARTTLS is refused: somebody in between may have cut the offer.
            if settings.security == "starttls":
                session.starttls(context=self._tls)
            session.ehlo_or_helo_if_needed()
            if settings.user:
                session.login(settings.user, settings.password)
            yield session
        finally:
            # The message is handed over or refused by now; how the server says goodbye changes nothing.
            with suppress(smtplib.SMTPException, OSError):
                session.quit()
            session.close()

    def _envelope(self, session: smtplib.SMTP, content: bytes, recipients: Sequence[str]) -> Handed:
        options = [f"size={len(content)}"] if session.has_extn("size") else []
        _require(session.mail(parseaddr(self._settings.sender)[1], options), "the sender")
        accepted: list[str] = []
        refused: dict[str, str] = {}
        deferred: dict[str, str] = {}
        for recipient in recipients:
            code, said = session.rcpt(recipient)
            if code in (_TAKEN, _FORWARDED):
                accepted.append(recipient)
            else:
                (refused if code >= _PERMANENT else deferred)[recipient] = _words(code, said)
        if not accepted:
            words = "; ".join(f"{address}: {said}" for address, said in (refused | deferred).items())
            raise MailError(f"the mail server refused every recipient: {words}"[:1000], permanent=not deferred)
        return Handed(tuple(accepted), refused, deferred)

    def _send(self, session: smtplib.SMTP, content: bytes) -> None:
        try:
            answer = session.data(content)
        except smtplib.SMTPDataError as error:
            answer = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
        except (smtplib.SMTPException, OSError) as error:
            said = f"the connection ended before the mail server confirmed the message: {_said(error)}"
            raise MailError(said, in_doubt=True) from error
        _require(answer, "the message")


def _require(answer: tuple[int, bytes], what: str) -> None:
    code, said = answer
    if code != _TAKEN:
        raise MailError(f"the mail server refused {what}: {_words(code, said)}", permanent=code >= _PERMANENT)


def _words(code: int, said: bytes) -> str:
    text = " ".join(said.decode(errors="replace").split())
    return f"{code} {''.join(c if c.isprintable() else '?' for c in text)}"[:_SAID_CHARACTERS_MAX]


def _said(error: Exception) -> str:
    # SECURITY: smtplib's errors of a login have the server's words, never the password.
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return _words(error.smtp_code, said if isinstance(said, bytes) else said.encode())
    return f"{type(error).__name__}: {error}"[:_SAID_CHARACTERS_MAX]
