"""Says who changes something. PostgreSQL's triggers store it with every version of a link and of a rotation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from admin_api.runtime.acting import Actor
from admin_api.runtime.connections import Database


@contextmanager
def attributed(database: Database, actor: Actor) -> Iterator[None]:
    """Open a transaction whose changes are the actor's."""
    with database.transaction():
        database.execute(
            "select set_config('waypost.token_id', %s, true), set_config('waypost.actor', %s, true)",
            ["" if actor.token_id is None else str(actor.token_id), actor.name],
        )
        yield
