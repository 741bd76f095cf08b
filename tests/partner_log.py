"""`python -m tests.partner_log`: one partner tries every operation, on what is its own and on what is another source's.

It prints a line an operation: what the partner got for its own object, and what for the other's. It runs on servers of
its own, which are gone afterwards.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))

from admin_api.migrate import migrate
from admin_client import connect
from config.database import migration_files
from embedded_servers import running_postgres, running_valkey, server_home
from every_operation import Asked, ask_everything
from tracking.rights import Role
from two_sources import two_sources


def told(asked: Asked) -> str:
    """Return an answer in a few words."""
    if asked.status == 200 and isinstance(asked.answer, dict) and "items" in asked.answer:
        return f"200, {len(asked.answer['items'])} of its own"
    return f"{asked.status} {asked.code}".strip()


def main() -> None:
    """Print the log."""
    os.environ["SECRETS_KEYS"] = "5e" * 32
    with server_home() as home, running_postgres(home) as postgres, running_valkey(home) as valkey:
        postgres.ensure_database()
        with connect(postgres.url()) as database:
            migrate(database, migration_files())
        with two_sources(postgres.url(), valkey.url()) as world:
            token = world.token(Role.PARTNER, source_id=1)
            others = {asked.name: asked for asked in ask_everything(world, token, 2)}
            sys.stdout.write(f"{'operation':<72} {'right':<20} {'own object':<28} another source's object\n")
            for own in ask_everything(world, token, 1):
                other = told(others[own.name]) if own.is_about_an_owned_object else "-"
                sys.stdout.write(f"{own.name:<72} {', '.join(own.need.rights) or '-':<20} {told(own):<28} {other}\n")


if __name__ == "__main__":
    main()
