"""The resources of merchants' postback tokens, and of the secrets that they sign their postbacks with."""

from __future__ import annotations

import falcon

from admin_api.configuration.merchants import rotate_secret, rotate_token
from admin_api.http import decode_id
from admin_api.resources import Addresses
from admin_api.runtime import Pool


class MerchantTokens:
    """A merchant's postback tokens: only ever made, since they are stored hashed."""

    def __init__(self, pool: Pool, addresses: Addresses) -> None:
        self._pool = pool
        self._addresses = addresses

    def on_post(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Make one more; the newest two work."""
        number = decode_id(object_id, "merchant")
        with self._pool.connection() as database:
            resp.media = rotate_token(database, number, self._addresses)
        resp.status = falcon.HTTP_CREATED


class MerchantSecrets:
    """A merchant's secrets: only ever made, and shown to nobody again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def on_post(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Make one more; the newest two work."""
        number = decode_id(object_id, "merchant")
        with self._pool.connection() as database:
            resp.media = rotate_secret(database, number)
        resp.status = falcon.HTTP_CREATED
