"""The secrets that sign next hops: URLs in a parameter of a click that lead to a host that is not on the list."""

from __future__ import annotations

import secrets
from http import HTTPStatus

import falcon

from admin_api.configuration.profiles import PROFILES
from admin_api.http import Revisions, Shown, operation, require_revision
from admin_api.resources import load_one
from admin_api.runtime import Database, Pool, save_change
from config.sealing import seal

SECRETS_MAX = 2
_SECRET_BYTES = 32


class NewNextHopSecret(Shown):
    """A secret that signs next hops. It is shown only this once."""

    profile_id: int
    secret: str


class NextHopSecrets:
    """The secrets of one profile."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Make a secret to sign next hops with", statuses=(HTTPStatus.CREATED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, profile_id: int) -> NewNextHopSecret:
        """The newest two secrets work, so that signers can change over."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        with self._pool.connection() as database:
            _change(database, profile_id, secret, allowed=None)
        return NewNextHopSecret(profile_id=profile_id, secret=secret)

    @operation("Delete the secrets that sign next hops", statuses=(HTTPStatus.NO_CONTENT,))
    def on_delete(self, req: falcon.Request, resp: falcon.Response, profile_id: int, allowed: Revisions) -> None:
        """If-Match takes the ETag of the profile. From then on, no signature is accepted."""
        with self._pool.connection() as database:
            _change(database, profile_id, None, allowed)


def _change(database: Database, profile_id: int, added: str | None, allowed: Revisions) -> None:
    """Store a profile's secrets with one more, or none, and publish the profile."""
    with database.transaction():
        row = load_one(database, PROFILES, profile_id, lock=True)
        require_revision(row["revision"], allowed, "profile")
        kept = [] if added is None else [seal(added), *row["next_hop_secrets"]][:SECRETS_MAX]
        database.execute(
            "update profiles set next_hop_secrets = %s, revision = revision + 1, updated_at = now()"
            " where profile_id = %s",
            [kept, profile_id],
        )
        save_change(database, PROFILES.keys(row))
