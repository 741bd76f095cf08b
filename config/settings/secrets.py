"""The secrets of one home directory, made on first use and kept there, and the URLs that need one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def embedded_database_url(home: Path, port: int) -> str:
    """Return the URL of the embedded PostgreSQL of `home`."""
    return f"postgresql://waypost:{secret(home, 'postgres-password', 24)}@127.0.0.1:{port}/waypost"


def embedded_redis_url(home: Path, port: int) -> str:
    """Return the URL of the embedded Valkey of `home`."""
    return f"redis://:{secret(home, 'valkey-password', 24)}@127.0.0.1:{port}/0"


def secret(home: Path, name: str, size_bytes: int, prefix: str = "") -> str:
    """Return the hex secret kept in `home` under `name` (mode 0600), made on first use, even by several at once.

    A new one starts with `prefix`.
    """
    path = home / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    draft.touch(mode=0o600)
    draft.write_text(f"{prefix}{secrets.token_hex(size_bytes)}\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
