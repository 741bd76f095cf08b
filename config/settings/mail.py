"""The settings of e-mail: the SMTP server that the admin API sends by, and the address that it sends from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

from config.settings.environment import EnvironmentReader
from config.settings.errors import SettingError

SECURITIES = ("starttls", "tls", "none")
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_SCHEMES = {"smtp": "starttls", "smtps": "tls", "smtp+plain": "none"}
_ADDRESS = re.compile(r"[^\s@<>,;:\"\\()\[\]]{1,64}@[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Where mail is handed over and whom it is from. `starttls` and `tls` check the server's certificate.

    SECURITY: the password stays out of the record's text, which may be logged.
    """

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    sender: str


def mail_settings(read: EnvironmentReader) -> MailSettings | None:
    """Return the settings, None where no server is named, or raise SettingError."""
    url, host = read.text("SMTP_URL"), read.text("SMTP_HOST")
    if url and host:
        raise SettingError("set SMTP_URL or SMTP_HOST, not both", field="SMTP_URL")
    if not url and not host:
        return None
    sender = _sender(read)
    if url:
        return _of_url(url, sender)
    security = read.choice("SMTP_SECURITY", SECURITIES)
    port = read.port("SMTP_PORT") if read.text("SMTP_PORT") else _PORTS[security]
    return _coherent(
        MailSettings(host, port, security, read.text("SMTP_USER"), read.text("SMTP_PASSWORD"), sender), "SMTP_USER"
    )


def _of_url(url: str, sender: str) -> MailSettings:
    # SECURITY: the messages do not repeat the URL, which has a password.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingError(
            "SMTP_URL must be a URL such as smtps://user:password@mail.example.com", field="SMTP_URL"
        ) from error
    security = _SCHEMES.get(parts.scheme)
    if security is None or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise SettingError(
            "SMTP_URL must be smtp://, smtps:// or smtp+plain:// with a host, and nothing behind it; percent-encode"
            " special characters of user and password",
            field="SMTP_URL",
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return _coherent(
        MailSettings(parts.hostname, port or _PORTS[security], security, user, password, sender), "SMTP_URL"
    )


def _coherent(settings: MailSettings, field_name: str) -> MailSettings:
    if bool(settings.user) != bool(settings.password):
        raise SettingError(
            f"{field_name}: a login at the SMTP server needs both a user and a password", field=field_name
        )
    if settings.user and settings.security == "none":
        raise SettingError(f"{field_name}: a password is not sent without TLS; use starttls or tls", field=field_name)
    return settings


def _sender(read: EnvironmentReader) -> str:
    text = read.text("MAIL_FROM")
    # SECURITY: a line break would begin another header.
    if not text.isprintable() or not _ADDRESS.fullmatch(parseaddr(text)[1]):
        raise SettingError(
            "MAIL_FROM must be an address such as reports@example.com or Waypost <reports@example.com>, not"
            f" {text[:100]!r}",
            field="MAIL_FROM",
        )
    return text
