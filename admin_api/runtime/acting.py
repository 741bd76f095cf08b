"""Who the current request acts for. Connections take their PostgreSQL role from it, and the audit log its actor.

It is kept in context variables: gunicorn serves a request, its streamed body included, in one thread. Threads of our
own (the publisher, the mailer) act for nobody, which is the admin process itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import orjson

from tracking.rights import Right, Role

ADMIN_ROLE = "waypost_admin"
PARTNER_ROLE = "waypost_partner"


class Actor(NamedTuple):
    """Who makes a request: a user, or an API token of a user or of the installation itself (without a user).

    `rights` is what this request may do: of a user what the role gives, of a token the part of it that is its scope.
    `source_id` is the only source that a partner, or a partner's token, sees; everybody else's is None.
    """

    name: str
    token_id: int | None
    user_id: int | None
    role: Role
    rights: frozenset[Right]
    source_id: int | None


class Standing(NamedTuple):
    """What PostgreSQL is told of a request: the role, the only source that it may see, and the caller as JSON."""

    role: str
    source_id: str
    caller: str


NOBODY = Standing(ADMIN_ROLE, "", "")
_standing: ContextVar[Standing] = ContextVar("standing", default=NOBODY)


def act_for(actor: Actor, address: str | None = None) -> None:
    """Let everything that this thread does from now on be the actor's, who called from `address`."""
    _standing.set(standing_of(actor, address))


def act_for_nobody() -> None:
    """Let this thread be the admin process itself: at the start of each request, before it is known who asks."""
    _standing.set(NOBODY)


@contextmanager
def acting_for(actor: Actor, address: str | None = None) -> Iterator[None]:
    """Act for somebody outside of a request, as when a saved report is sent to the partner who saved it."""
    token = _standing.set(standing_of(actor, address))
    try:
        yield
    finally:
        _standing.reset(token)


@contextmanager
def acting_for_nobody() -> Iterator[None]:
    """Be the admin process itself within somebody's request, for what is not shown: such as counts of wrong logins."""
    token = _standing.set(NOBODY)
    try:
        yield
    finally:
        _standing.reset(token)


def standing() -> Standing:
    """Return what PostgreSQL is to be told now."""
    return _standing.get()


def standing_of(actor: Actor, address: str | None) -> Standing:
    """Return an actor's standing. Whoever is bound to a source is a partner."""
    caller = {"name": actor.name, "user_id": actor.user_id, "token_id": actor.token_id, "address": address}
    role = ADMIN_ROLE if actor.source_id is None else PARTNER_ROLE
    source_id = "" if actor.source_id is None else str(actor.source_id)
    return Standing(role, source_id, orjson.dumps(caller).decode())
