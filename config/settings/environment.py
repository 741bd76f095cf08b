"""Reads typed values from the environment's variables. Each value is checked; an error names its variable and the
fix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from config.settings.errors import SettingError
from config.settings.options import OPTIONS
from config.settings.secrets import embedded_admin_database_url, embedded_database_url, embedded_redis_url, secret
from tracking.clicks import KEY_BYTES_MIN, NODE_MAX

SEAL_KEY_BYTES = 32
_SEAL_KEY = re.compile(rf"[0-9A-Fa-f]{{{2 * SEAL_KEY_BYTES}}}")


class EnvironmentReader:
    """Reads the settings of one environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.home = Path(self.text("WAYPOST_HOME")).absolute()

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip() or OPTIONS[name].default

    def number(self, name: str, low: int, high: int) -> int:
        text = self.text(name)
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise SettingError(f"{name} must be a whole number from {low} to {high}, not {text!r}", field=name)
        return int(text)

    def port(self, name: str) -> int:
        return self.number(name, 1, 65535)

    def intake_port(self) -> int:
        """Return the port of the postback intake, 0 if there is none."""
        return self.number("INTAKE_PORT", 0, 65535)

    def stream_port(self) -> int:
        """Return the port of the live stream, 0 if there is none."""
        return self.number("STREAM_PORT", 0, 65535)

    def http_url(self, name: str) -> str:
        """Return the URL of an HTTP server without a slash at its end, empty if none is set."""
        text = self.text(name).rstrip("/")
        if text and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
            raise SettingError(f"{name} must be a URL such as http://127.0.0.1:4318, not {text[:80]!r}", field=name)
        return text

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        text = self.text(name).lower()
        if text not in choices:
            raise SettingError(f"{name} must be one of {', '.join(choices)}, not {text!r}", field=name)
        return text

    def path(self, name: str, default: Path) -> Path:
        text = self.text(name)
        return Path(text).absolute() if text else default

    def log_level(self) -> str:
        return self.choice("LOG_LEVEL", ("debug", "info", "warning", "error"))

    def redis_url(self) -> str:
        return self.text("REDIS_URL") or embedded_redis_url(self.home, self.port("EMBEDDED_VALKEY_PORT"))

    def database_url(self) -> str:
        return self.text("DATABASE_URL") or embedded_database_url(self.home, self.port("EMBEDDED_POSTGRES_PORT"))

    def admin_database_url(self) -> str:
        """Return the URL of the admin API's login: one of its own in the embedded PostgreSQL, else DATABASE_URL's."""
        if self.text("ADMIN_DATABASE_URL"):
            return self.text("ADMIN_DATABASE_URL")
        if self.text("DATABASE_URL"):
            return self.text("DATABASE_URL")
        return embedded_admin_database_url(self.home, self.port("EMBEDDED_POSTGRES_PORT"))

    def click_id_keys(self) -> tuple[bytes, ...]:
        text = self.text("CLICK_ID_KEYS") or secret(self.home, "click-id-keys", 32)
        try:
            keys = tuple(bytes.fromhex(part) for part in text.split(","))
        except ValueError as error:
            raise SettingError(
                "CLICK_ID_KEYS must be hex digits, keys separated by commas", field="CLICK_ID_KEYS"
            ) from error
        if any(not KEY_BYTES_MIN <= len(key) <= 64 for key in keys):
            raise SettingError(
                "CLICK_ID_KEYS must be keys of 16 to 64 bytes (32 to 128 hex digits)", field="CLICK_ID_KEYS"
            )
        return keys

    def secrets_keys(self) -> tuple[bytes, ...]:
        """Return the keys that seal stored secrets; the first one seals."""
        text = self.text("SECRETS_KEYS") or secret(self.home, "secrets-keys", SEAL_KEY_BYTES)
        # SECURITY: the message repeats nothing of what was given.
        if any(not _SEAL_KEY.fullmatch(part) for part in text.split(",")):
            raise SettingError("SECRETS_KEYS must be keys of 64 hex digits, separated by commas", field="SECRETS_KEYS")
        return tuple(bytes.fromhex(part) for part in text.split(","))

    def node_id(self) -> int:
        if not self.text("EDGE_NODE_ID"):
            return int(secret(self.home, "edge-node-id", 2), 16) & NODE_MAX
        return self.number("EDGE_NODE_ID", 0, NODE_MAX)

    def optional_path(self, name: str) -> Path | None:
        text = self.text(name)
        return Path(text).absolute() if text else None
