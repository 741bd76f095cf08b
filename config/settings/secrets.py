"""The secrets of one home directory, made on first use and kept there, and the URLs that need one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from config.settings.errors import SettingError


def embedded_database_url(home: Path, port: int) -> str:
    """Return the URL of the embedded PostgreSQL of `home`."""
    return f"postgresql://waypost:{secret(home, 'postgres-password', 24)}@127.0.0.1:{port}/waypost"


def embedded_redis_url(home: Path, port: int) -> str:
    """Return the URL of the embedded Valkey of `home`."""
    return f"redis://:{secret(home, 'valkey-password', 24)}@127.0.0.1:{port}/0"


def secret(home: Path, name: str, size_bytes: int, prefix: str = "") -> str:
    """Return the hex secret kept in `home` under `name` (mode 0600), made on first use, even by several at once.

    A new one starts with `prefix`. Raises SettingError for a file that holds none.
    """
    path = home / name
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write(f"{prefix}{secrets.token_hex(size_bytes)}\n")
        file.flush()
        # Before it is used: a key that a power cut takes back makes every click id that it signed a forged one.
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync_directory(home)
    return _read(path)


def _read(path: Path) -> str:
    text = path.read_text().strip()
    if not text:
        raise SettingError(
            f"{path} is empty; put the secret back from a backup, or remove the file to have another one made",
            field="WAYPOST_HOME",
        )
    return text


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
