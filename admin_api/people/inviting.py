"""Inviting users, and giving those who cannot log in any more another link."""

from __future__ import annotations

from admin_api.http import ConflictError, Values
from admin_api.people.granting import require_held, rights_of_user
from admin_api.people.one_time_links import MadeLink, Purpose, make_link
from admin_api.people.user_table import load_user, save_new_user
from admin_api.runtime import Actor, Database, Row, attributed


def invite_new(database: Database, actor: Actor, values: Values) -> tuple[int, MadeLink]:
    """Store a new user inside the caller's transaction, and return the number with the link of the invitation."""
    user_id = save_new_user(database, actor, values)
    return user_id, make_link(database, user_id, Purpose.INVITATION)


def link_again(database: Database, actor: Actor, user: Row) -> MadeLink:
    """Make another link for a user: a reset, or an invitation for who has no password yet.

    Raises BeyondRightsError for who holds more than the actor, and ConflictError for who is disabled.
    """
    require_held(actor, rights_of_user(user), "this user")
    if user["disabled_at"] is not None:
        raise ConflictError("this user is disabled; enable the user first", code="user-disabled")
    return make_link(database, user["user_id"], Purpose.INVITATION if user["password_hash"] is None else Purpose.RESET)


def invite(database: Database, actor: Actor, email: str, name: str, role: str) -> MadeLink:
    """Make a link for whoever has this address, inviting a user who does not exist. Raises what the two above raise."""
    with attributed(database, actor):
        found = database.execute("select user_id from users where email = %s", [email]).fetchone()
        if found is not None:
            return link_again(database, actor, load_user(database, found["user_id"], lock=True))
        values = {"email": email, "name": name, "role": role, "sees_money": False, "source_id": None}
        return invite_new(database, actor, values)[1]
