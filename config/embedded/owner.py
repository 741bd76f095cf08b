"""Chooses the user who runs the embedded PostgreSQL. It refuses to run as root, so root runs it as another user."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.embedded.binaries import EmbeddedError


@dataclass(frozen=True, slots=True)
class Owner:
    """A user. `switch` holds what subprocess needs to become this user; it is empty when that is the current user."""

    uid: int
    gid: int
    name: str
    switch: dict[str, Any]

    @property
    def is_us(self) -> bool:
        """Say whether this is the current user, so that nothing has to be handed over."""
        return not self.switch

    def reaches(self, path: Path) -> bool:
        """Say whether this user can use `path`. This is tried, not computed: access lists and mounts count too."""
        if self.is_us:
            return True
        probe = ["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", str(path)]
        return subprocess.run(probe, cwd="/", stderr=subprocess.DEVNULL, **self.switch).returncode == 0

    def take(self, path: Path) -> None:
        """Give a directory or file that we made to this user."""
        if not self.is_us:
            os.chown(path, self.uid, self.gid)


def pick_owner(wanted: str, data: Path) -> Owner:
    """Return who runs PostgreSQL: we; if root, then `wanted`, else the owner of existing data, postgres or nobody."""
    if os.geteuid() != 0:
        return Owner(os.geteuid(), os.getegid(), str(os.geteuid()), {})
    entry = _named(wanted) if wanted else _owner_of(data) or _first_of("postgres", "nobody")
    if entry is None:
        raise EmbeddedError(
            f"there is no user {wanted or 'postgres or nobody'!r} to run PostgreSQL, which refuses root; "
            "set EMBEDDED_USER to an unprivileged user of this machine",
            field="EMBEDDED_USER",
        )
    if entry.pw_uid == 0:
        raise EmbeddedError(
            "PostgreSQL refuses to run as root; set EMBEDDED_USER to an unprivileged user", field="EMBEDDED_USER"
        )
    switch = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return Owner(entry.pw_uid, entry.pw_gid, entry.pw_name, switch)


def _named(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _first_of(*names: str) -> pwd.struct_passwd | None:
    return next((entry for entry in map(_named, names) if entry is not None), None)


def _owner_of(data: Path) -> pwd.struct_passwd | None:
    try:
        uid = data.stat().st_uid
        return pwd.getpwuid(uid) if uid else None
    except (FileNotFoundError, KeyError):
        return None
