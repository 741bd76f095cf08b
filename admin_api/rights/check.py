"""Refuses what the caller may not do, before the operation begins. What it needs is in needs.py."""

from __future__ import annotations

from collections.abc import Mapping

import falcon

from admin_api.http import ForbiddenError
from admin_api.rights.money import refuse_money_parameters
from admin_api.rights.needs import NEEDS, Need
from admin_api.runtime import Actor
from tracking.rights import Role, missing_rights


class RightsCheck:
    """Falcon middleware. It runs after routing, when it is known which operation is asked for."""

    def __init__(self, needs: Mapping[str, Need] = NEEDS) -> None:
        self._needs = needs

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, object]
    ) -> None:
        """Raise ForbiddenError unless the caller may do this operation. Open operations have no caller."""
        actor: Actor | None = req.context.get("actor")
        if actor is None or not hasattr(resource, f"on_{req.method.lower()}"):
            # Without a responder, Falcon answers 405 and does nothing.
            return
        need = self._needs.get(f"{req.method} {req.uri_template}")
        if need is None:
            # SECURITY: a new operation is nobody's until it is in the table.
            raise ForbiddenError("this operation has no rule yet, so nobody may do it")
        require(actor, need)
        refuse_money_parameters(req, actor)


def require(actor: Actor, need: Need) -> None:
    """Raise ForbiddenError with the right that is missing, unless the actor may do what has this need."""
    missing = missing_rights(actor.rights, need.rights)
    if missing:
        raise ForbiddenError(f"this needs the right {', '.join(missing)}")
    if actor.role is Role.PARTNER and not need.partner:
        raise ForbiddenError("partners cannot do this")
