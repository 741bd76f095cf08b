"""Whose rights a saved report is sent with: its owner's, as they are at that moment. SQL only."""

from __future__ import annotations

from admin_api.runtime import Actor, Database, Row
from tracking.rights import Right, Role, rights_of
from tracking.runtime import WaypostError

# A token that was replaced stands for the one that replaced it.
_VALID = """
    with recursive successors as (
        select t.* from api_tokens t where t.token_id = %s
        union
        select t.* from api_tokens t join successors s on t.replaces_token_id = s.token_id
    )
    select token_id, name, scopes from successors
    where revoked_at is null and (expires_at is null or expires_at > now()) order by token_id desc limit 1
"""
_USER = "select user_id, name, role, sees_money, source_id from users where user_id = %s and disabled_at is null"


class OwnerError(WaypostError):
    """A report's owner may not ask for it any more. The message says why."""


def load_owner(database: Database, report: Row) -> Actor:
    """Return the owner of a saved report with its present rights, or raise OwnerError.

    SECURITY: what was saved with an API token is limited to the token's scopes, and ends with it: otherwise a scoped
    token could have everything sent that its user may see, even after it was revoked.
    """
    token = database.execute(_VALID, [report["owner_token_id"]]).fetchone()
    if report["owner_token_id"] is not None and token is None:
        raise OwnerError("the API token that saved it has expired, or was revoked or deleted")
    if report["owner_user_id"] is None:
        if token is None:
            raise OwnerError("nobody owns it")
        actor = Actor(token["name"], token["token_id"], None, Role.OWNER, rights_of(Role.OWNER), None)
    else:
        user = database.execute(_USER, [report["owner_user_id"]]).fetchone()
        if user is None:
            raise OwnerError("the user who saved it was disabled or deleted")
        role = Role(user["role"])
        rights = rights_of(role, sees_money=user["sees_money"])
        token_id = None if token is None else token["token_id"]
        actor = Actor(user["name"], token_id, user["user_id"], role, rights, user["source_id"])
    if token is not None and token["scopes"] is not None:
        actor = actor._replace(rights=actor.rights & {Right(scope) for scope in token["scopes"]})
    if Right.REPORTS_READ not in actor.rights:
        raise OwnerError("its owner may not read reports any more")
    if actor.source_id != report["source_id"]:
        raise OwnerError("its owner now sees another source than when it was saved")
    return actor
