"""The resource of the secrets that merchants sign their postbacks with."""

from __future__ import annotations

import falcon

from admin_api.connections import Pool
from admin_api.merchants import rotate_secret
from admin_api.requests import decode_id


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
