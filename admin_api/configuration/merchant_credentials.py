"""The resources of merchants' postback tokens and of the secrets with which they sign their postbacks."""

from __future__ import annotations

from http import HTTPStatus

import falcon

from admin_api.configuration.merchants import NewSecret, NewToken, rotate_secret, rotate_token
from admin_api.http import operation
from admin_api.resources import Addresses
from admin_api.runtime import Pool


class MerchantTokens:
    """A merchant's postback tokens. They can only be created, since they are stored hashed."""

    def __init__(self, pool: Pool, addresses: Addresses) -> None:
        self._pool = pool
        self._addresses = addresses

    @operation("Make a postback token", statuses=(HTTPStatus.CREATED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, merchant_id: int) -> NewToken:
        """The newest two tokens work, so that a merchant can change over."""
        with self._pool.connection() as database:
            return NewToken.of(rotate_token(database, merchant_id, self._addresses))


class MerchantSecrets:
    """A merchant's secrets. They can only be created, and are never shown again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Make a secret to sign postbacks with", statuses=(HTTPStatus.CREATED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, merchant_id: int) -> NewSecret:
        """The newest two secrets work, so that a merchant can change over."""
        with self._pool.connection() as database:
            return NewSecret.of(rotate_secret(database, merchant_id))
