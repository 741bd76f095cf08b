"""The REST resources of the configured nouns: a collection and an object, the same for each noun.

Every handler does the same: id, decode, validate, store, respond. Errors are raised and answered by problems.py.
"""

from __future__ import annotations

import falcon

from admin_api.http import decode_id, decode_object, decode_page, decode_revisions, validate_changes, validate_new
from admin_api.resources.addresses import Addresses
from admin_api.resources.resource import Noun, present
from admin_api.resources.store import load_one, load_page, remove, save_changes, save_new
from admin_api.runtime import Pool, Row


class Collection:
    """All objects of a noun."""

    def __init__(self, noun: Noun, pool: Pool, addresses: Addresses) -> None:
        self._noun = noun
        self._pool = pool
        self._addresses = addresses

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create an object."""
        values = validate_new(self._noun.fields, decode_object(req))
        with self._pool.connection() as database:
            row, created = save_new(database, self._noun, values, self._addresses)
        _respond(resp, self._noun, row, self._addresses)
        resp.media |= created.shown_once
        resp.status = falcon.HTTP_CREATED
        resp.location = f"/v1/{self._noun.path or self._noun.plural}/{created.object_id}"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List objects in the order of their ids."""
        after, limit = decode_page(req)
        with self._pool.connection() as database:
            rows = load_page(database, self._noun, after, limit + 1)
        shown = rows[:limit]
        resp.media = {
            "items": [present(self._noun, row, self._addresses) for row in shown],
            "next_cursor": str(shown[-1][self._noun.id_name]) if len(rows) > limit else None,
        }


class Item:
    """One object of a noun."""

    def __init__(self, noun: Noun, pool: Pool, addresses: Addresses) -> None:
        self._noun = noun
        self._pool = pool
        self._addresses = addresses

    def on_get(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Show it."""
        number = decode_id(object_id, self._noun.singular)
        with self._pool.connection() as database:
            row = load_one(database, self._noun, number)
        _respond(resp, self._noun, row, self._addresses)

    def on_patch(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Change the fields that the body names."""
        number = decode_id(object_id, self._noun.singular)
        changes = validate_changes(self._noun.fields, decode_object(req))
        with self._pool.connection() as database:
            row = save_changes(database, self._noun, number, changes, decode_revisions(req))
        _respond(resp, self._noun, row, self._addresses)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Remove it, if nothing uses it."""
        number = decode_id(object_id, self._noun.singular)
        with self._pool.connection() as database:
            remove(database, self._noun, number, decode_revisions(req))
        resp.status = falcon.HTTP_NO_CONTENT


def _respond(resp: falcon.Response, noun: Noun, row: Row, addresses: Addresses) -> None:
    resp.media = present(noun, row, addresses)
    resp.etag = str(row["revision"])
