"""`python -m admin_api invite EMAIL`: prints a one-time link for the first user, or for one who cannot log in any more.

Whoever may run programs on this machine with its settings is an owner already: the database is theirs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing

from admin_api.database_roles import require_roles
from admin_api.people import invite, parse_email
from admin_api.runtime import Actor, connect_database
from config.database import require_schema
from config.settings import admin_settings
from tracking.rights import Right, Role
from tracking.runtime import WaypostError

_ROLES = tuple(role.value for role in Role if role is not Role.PARTNER)
# The name that is recorded beside what the command changes.
COMMAND = "command line"


def main(arguments: Sequence[str]) -> int:
    """Print the path of the link. If that fails, print one sentence and return 1."""
    given = _parser().parse_args(arguments)
    actor = Actor(COMMAND, None, None, Role.OWNER, frozenset(Right), None)
    try:
        settings = admin_settings()
        with closing(connect_database(settings.admin_database_url)) as database:
            require_roles(database)
            require_schema(database)
            email = parse_email(given.email, "the e-mail address")
            made = invite(database, actor, email, given.name or email.partition("@")[0], given.role)
    except WaypostError as error:
        sys.stderr.write(f"waypost: {error.message}\n")
        return 1
    sys.stdout.write(f"{made.path}\n")
    sys.stderr.write(f"this one-time link works until {made.expires_at:%Y-%m-%d %H:%M} UTC\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m admin_api invite",
        description="Print a one-time link with which somebody sets a password. For a user who exists, it is a reset.",
    )
    parser.add_argument("email")
    parser.add_argument("--role", choices=_ROLES, default=Role.OWNER.value, help="of a new user; owner unless said")
    parser.add_argument("--name", help="of a new user; what stands before the @ unless said")
    return parser
