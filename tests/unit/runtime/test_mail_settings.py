"""The settings of e-mail: which server is used and how, and what is refused with words that help."""

from __future__ import annotations

import pytest

from config.settings import MailSettings, SettingError, admin_settings

SENDER = "Waypost <reports@example.com>"


def mail_of(**environ: str) -> MailSettings | None:
    """Return the settings of e-mail in an environment that says nothing else of importance."""
    given = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h", "CLICK_ID_KEYS": "0a" * 16}
    return admin_settings(given | {"SECRETS_KEYS": "5e" * 32, "MAIL_FROM": SENDER} | environ).mail


def test_without_a_server_no_mail_is_sent() -> None:
    assert mail_of() is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtps://me%40example.com:p%3Aw@mail.example.com", ("mail.example.com", 465, "tls", "me@example.com", "p:w")),
        ("smtp://mail.example.com:2525", ("mail.example.com", 2525, "starttls", "", "")),
        ("smtp+plain://127.0.0.1", ("127.0.0.1", 25, "none", "", "")),
    ],
)
def test_a_url_says_everything_about_the_server(url: str, expected: tuple[str, int, str, str, str]) -> None:
    assert mail_of(SMTP_URL=url) == MailSettings(*expected, SENDER)


def test_a_host_gets_the_usual_port_of_its_security() -> None:
    mail = mail_of(SMTP_HOST="mail.example.com", SMTP_SECURITY="tls", SMTP_USER="me", SMTP_PASSWORD="secret")
    assert mail == MailSettings("mail.example.com", 465, "tls", "me", "secret", SENDER)


@pytest.mark.parametrize(
    "environ",
    [
        {"SMTP_URL": "https://mail.example.com"},
        {"SMTP_URL": "smtps://"},
        {"SMTP_URL": "smtps://mail.example.com:99999"},
        {"SMTP_URL": "smtps://hidden:word@mail.example.com/path"},
        {"SMTP_URL": "smtp+plain://hidden:word@mail.example.com"},
        {"SMTP_URL": "smtps://hidden@mail.example.com"},
        {"SMTP_URL": "smtp://a.example.com", "SMTP_HOST": "b.example.com"},
        {"SMTP_HOST": "mail.example.com", "SMTP_USER": "me"},
        {"SMTP_HOST": "mail.example.com", "SMTP_USER": "me", "SMTP_PASSWORD": "hidden", "SMTP_SECURITY": "none"},
        {"SMTP_HOST": "mail.example.com", "MAIL_FROM": "nobody"},
        {"SMTP_HOST": "mail.example.com", "MAIL_FROM": "a@example.com\r\nBcc: b@example.com"},
    ],
)
def test_settings_that_cannot_work_are_refused_without_their_password(environ: dict[str, str]) -> None:
    with pytest.raises(SettingError) as refusal:
        mail_of(**environ)
    assert "hidden" not in refusal.value.message


def test_the_password_is_not_in_the_text_of_the_settings() -> None:
    assert "secret" not in repr(mail_of(SMTP_HOST="mail.example.com", SMTP_USER="me", SMTP_PASSWORD="secret"))
