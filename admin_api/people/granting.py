"""Who may give what to whom: nobody gives more than they hold, and nobody touches who holds more.

Rights are compared, and not ranks of roles: an API token with few scopes gives little, whoever it belongs to.
"""

from __future__ import annotations

from collections.abc import Collection

import falcon

from admin_api.http import caller_of, session_of
from admin_api.people.errors import BeyondRightsError
from admin_api.runtime import Actor, Row
from tracking.rights import Right, Role, missing_rights, rights_of


def rights_of_user(user: Row) -> frozenset[Right]:
    """Return what a user may do."""
    return rights_of(Role(user["role"]), sees_money=user["sees_money"])


def require_held(actor: Actor, wanted: Collection[Right], what: str) -> None:
    """Raise BeyondRightsError unless the actor holds all these rights. `what` begins the sentence."""
    missing = missing_rights(actor.rights, wanted)
    if missing:
        raise BeyondRightsError(f"{what} has rights that you do not hold: {', '.join(missing)}")


def may_read_others(actor: Actor) -> bool:
    """Say whether the actor sees the sessions and tokens of others."""
    return Right.PEOPLE_READ in actor.rights


def require_hand(req: falcon.Request, owner: Row | None) -> None:
    """Raise an error unless the caller may change something of a user's, or of the installation's (None).

    A user who is logged in changes what is the user's own. Everything else takes people:write, also from API tokens of
    the same user: a token that leaked must not end the others, or make more.
    """
    actor = caller_of(req)
    if owner is not None and owner["user_id"] == actor.user_id and Right.PEOPLE_WRITE not in actor.rights:
        session_of(req)
        return
    require_held(actor, {Right.PEOPLE_WRITE}, "changing this")
    require_held(actor, frozenset(Right) if owner is None else rights_of_user(owner), "whom this belongs to")
