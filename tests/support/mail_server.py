"""A local SMTP server for tests: it keeps what it takes, and refuses what a test tells it to."""

from __future__ import annotations

import asyncio
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LOGIN = ("waypost", "the password")


class MailBox:
    """What the server was handed. `answers` are answers by recipient, `data_answer` that to the message."""

    def __init__(self) -> None:
        self.envelopes: list[tuple[list[str], EmailMessage]] = []
        self.answers: dict[str, str] = {}
        self.data_answer = "250 taken"
        self.drop_connection = False
        self.port = 0
        self.raw: list[bytes] = []

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a recipient, unless the test says otherwise."""
        answer = self.answers.get(address, "250 fine")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message and answer, or end the connection without an answer."""
        content = envelope.content
        assert isinstance(content, bytes)
        if self.data_answer.startswith("250"):
            message = BytesParser(policy=default).parsebytes(content)
            assert isinstance(message, EmailMessage)
            self.raw.append(content)
            self.envelopes.append((list(envelope.rcpt_tos), message))
        if self.drop_connection:
            server.transport.abort()  # type: ignore[union-attr]
        return self.data_answer


def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    given = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode())
    return AuthResult(success=given == LOGIN, handled=False)


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None, *, from_the_start: bool = False, login: bool = False
) -> Iterator[MailBox]:
    """Yield the box of a server on a free port of 127.0.0.1. With `tls` it offers STARTTLS, or speaks TLS at once."""
    box = MailBox()
    options: dict[str, Any] = {}
    if tls is not None and not from_the_start:
        options |= {"tls_context": tls, "require_starttls": True}
    if login:
        options |= {"auth_required": True, "authenticator": _authenticate, "auth_require_tls": not from_the_start}
    served_by = asyncio.new_event_loop()
    thread = threading.Thread(target=served_by.run_forever, name="mail-server")
    thread.start()

    def session() -> SMTP:
        with warnings.catch_warnings():
            # It does not count TLS that it did not begin itself.
            warnings.simplefilter("ignore")
            return SMTP(box, hostname="localhost", loop=served_by, **options)

    async def serve() -> asyncio.Server:
        return await served_by.create_server(
            session,
            host="127.0.0.1",
            port=0,
            ssl=tls if from_the_start else None,
        )

    async def end() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(serve(), served_by).result(10)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        asyncio.run_coroutine_threadsafe(end(), served_by).result(10)
        served_by.call_soon_threadsafe(served_by.stop)
        thread.join(10)
        served_by.close()
