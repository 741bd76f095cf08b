"""Messages are handed over to a real SMTP server: with TLS and a login, and what it refuses is told apart."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from admin_api.saved_reports.smtp import MailError, SmtpServer
from certificates import make_certificate, serving
from config.settings import MailSettings
from mail_server import LOGIN, MailBox, mail_server

CONTENT = b"From: reports@example.com\r\nTo: a@example.com\r\nSubject: x\r\n\r\n.a line with a dot\r\n"


def server_at(box: MailBox, security: str = "none", trusted: Path | None = None, password: str = "") -> SmtpServer:
    """Return the server of a box, as the settings would name it."""
    user = LOGIN[0] if password else ""
    settings = MailSettings("localhost", box.port, security, user, password, "Waypost <reports@example.com>")
    context = ssl.create_default_context(cafile=trusted) if trusted else None
    return SmtpServer(settings, context)


def never() -> None:
    """Fail: nothing may be sent."""
    raise AssertionError("a message was about to be sent")


@pytest.mark.parametrize(("security", "from_the_start"), [("starttls", False), ("tls", True)])
def test_a_message_goes_through_tls_and_a_login(tmp_path: Path, security: str, from_the_start: bool) -> None:
    files = make_certificate(tmp_path, "localhost", 2)
    with mail_server(serving(files), from_the_start=from_the_start, login=True) as box:
        server = server_at(box, security, files[0], LOGIN[1])
        handed = server.hand_over(CONTENT, ["a@example.com"], lambda: None)
        assert handed.accepted == ("a@example.com",)
        assert box.raw == [CONTENT]
        with pytest.raises(MailError, match="535") as refusal:
            server_at(box, security, files[0], "wrong words").hand_over(CONTENT, ["a@example.com"], never)
        assert "wrong words" not in refusal.value.message
        # An operator puts the password right, so the mail waits.
        assert not refusal.value.permanent


@pytest.mark.parametrize(("security", "from_the_start"), [("starttls", False), ("tls", True)])
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, security: str, from_the_start: bool) -> None:
    with mail_server(serving(make_certificate(tmp_path, "localhost", 2)), from_the_start=from_the_start) as box:
        with pytest.raises(MailError, match="CERTIFICATE_VERIFY_FAILED"):
            server_at(box, security).hand_over(CONTENT, ["a@example.com"], never)
        assert box.raw == []


def test_a_server_that_offers_no_starttls_gets_nothing() -> None:
    with mail_server() as box:
        with pytest.raises(MailError, match="STARTTLS"):
            server_at(box, "starttls").hand_over(CONTENT, ["a@example.com"], never)
        assert box.raw == []


def test_refused_recipients_are_told_from_those_that_may_be_accepted_later() -> None:
    with mail_server() as box:
        box.answers = {"gone@example.com": "550 no such user", "full@example.com": "452 mailbox full"}
        handed = server_at(box).hand_over(
            CONTENT, ["a@example.com", "gone@example.com", "full@example.com"], lambda: None
        )
    assert handed.accepted == ("a@example.com",)
    assert handed.refused == {"gone@example.com": "550 no such user"}
    assert handed.deferred == {"full@example.com": "452 mailbox full"}
    assert [to for to, _ in box.envelopes] == [["a@example.com"]]


@pytest.mark.parametrize(("answer", "permanent"), [("550 no such user", True), ("451 later", False)])
def test_if_nobody_is_accepted_nothing_is_sent(answer: str, permanent: bool) -> None:
    with mail_server() as box:
        box.answers = {"a@example.com": answer}
        with pytest.raises(MailError) as refusal:
            server_at(box).hand_over(CONTENT, ["a@example.com"], never)
    assert refusal.value.permanent is permanent
    assert not refusal.value.in_doubt


def test_a_message_that_is_refused_was_not_sent_for_certain() -> None:
    with mail_server() as box:
        box.data_answer = "554 too much of this"
        with pytest.raises(MailError, match="too much of this") as refusal:
            server_at(box).hand_over(CONTENT, ["a@example.com"], lambda: None)
    assert refusal.value.permanent
    assert not refusal.value.in_doubt


def test_a_connection_that_ends_before_the_answer_leaves_a_doubt() -> None:
    with mail_server() as box:
        box.drop_connection = True
        with pytest.raises(MailError) as refusal:
            server_at(box).hand_over(CONTENT, ["a@example.com"], lambda: None)
        assert len(box.raw) == 1
    assert refusal.value.in_doubt
    assert not refusal.value.permanent


def test_a_server_that_is_away_is_tried_again() -> None:
    with mail_server() as box:
        pass
    with pytest.raises(MailError, match="cannot be used") as refusal:
        server_at(box).hand_over(CONTENT, ["a@example.com"], never)
    assert not refusal.value.permanent
    assert not refusal.value.in_doubt
