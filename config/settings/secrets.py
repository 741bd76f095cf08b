"""The secrets of a home directory, made on first use and kept there, and the URLs that contain one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from config.durability import sync_directory
from config.settings.errors import SettingError


def embedded_database_url(home: Path, port: int) -> str:
    """Return the URL of the embedded PostgreSQL of `home`."""
    return f"postgresql://waypost:{secret(home, 'postgres-password', 24)}@127.0.0.1:{port}/waypost"


def embedded_admin_database_url(home: Path, port: int) -> str:
    """Return the URL of the embedded PostgreSQL of `home` for the admin API, whose login owns no table."""
    return f"postgresql://waypost_api:{secret(home, 'admin-database-password', 24)}@127.0.0.1:{port}/waypost"


def embedded_redis_url(home: Path, port: int) -> str:
    """Return the URL of the embedded Valkey of `home`."""
    return f"redis://:{secret(home, 'valkey-password', 24)}@127.0.0.1:{port}/0"


def secret(home: Path, name: str, size_bytes: int, prefix: str = "") -> str:
    """Return the hex secret in the file `name` of `home` (mode 0600). It is made on first use, also by several at once.

    A new one begins with `prefix`. Raises SettingError if the file is empty.
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
        # It is synced before it can be used: if a power cut took the key, every click id that was made with it would
        # count as forged.
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    sync_directory(home)
    return _read(path)


def _read(path: Path) -> str:
    text = path.read_text().strip()
    if not text:
        raise SettingError(
            f"{path} is empty; put the secret back from a backup, or remove the file to have another one made",
            field="WAYPOST_HOME",
        )
    return text
