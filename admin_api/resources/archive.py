"""Takes configured objects out of use without losing them, and brings them back. What is archived cannot be changed."""

from __future__ import annotations

import falcon

from admin_api.http import Revisions, Route, Shown, add_operation, caller_of
from admin_api.resources.addresses import Addresses
from admin_api.resources.resource import Resource
from admin_api.resources.store import save_archived
from admin_api.runtime import Pool, attributed


class Archive:
    """Archives an object, or restores it."""

    def __init__(self, resource: Resource, pool: Pool, addresses: Addresses, *, archived: bool) -> None:
        self._resource = resource
        self._pool = pool
        self._addresses = addresses
        self._archived = archived
        add_operation(
            self,
            "post",
            type(self).archive if archived else type(self).restore,
            f"{'Archive' if archived else 'Restore'} {resource.one}",
            types={"return": resource.shown},
            path_names={"object_id": resource.id_name},
            versioned=True,
            conflicts=("in-use",) if archived else resource.conflict_codes,
        )

    def archive(self, req: falcon.Request, resp: falcon.Response, object_id: int, allowed: Revisions) -> Shown:
        """It goes out of use and is hidden from lists, but nothing of it is lost. Nothing in use may still name it."""
        return self._save(req, resp, object_id, allowed)

    def restore(self, req: falcon.Request, resp: falcon.Response, object_id: int, allowed: Revisions) -> Shown:
        """It is again what it was before it was archived."""
        return self._save(req, resp, object_id, allowed)

    def _save(self, req: falcon.Request, resp: falcon.Response, object_id: int, allowed: Revisions) -> Shown:
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            row = save_archived(database, self._resource, object_id, allowed, archived=self._archived)
        resp.etag = str(row["revision"])
        return self._resource.show(row, self._addresses)


def archive_routes(resource: Resource, pool: Pool, addresses: Addresses) -> list[Route]:
    """Return the routes that archive and restore an object."""
    return [
        Route(f"{resource.item_path}/archive", Archive(resource, pool, addresses, archived=True)),
        Route(f"{resource.item_path}/restore", Archive(resource, pool, addresses, archived=False)),
    ]
