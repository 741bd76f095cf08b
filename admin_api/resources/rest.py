"""The collection and the single object of each configured kind. All kinds have the same operations."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import falcon

from admin_api.http import (
    Body,
    Page,
    Revisions,
    Route,
    Shown,
    add_operation,
    caller_of,
    order_of,
    page_of,
    sorted_query,
)
from admin_api.resources.addresses import Addresses
from admin_api.resources.archive import archive_routes
from admin_api.resources.listing import list_columns, list_filters
from admin_api.resources.resource import Resource
from admin_api.resources.store import load_one, load_page, remove, save_changes, save_new
from admin_api.runtime import Pool, attributed


class Collection:
    """All objects of one kind."""

    def __init__(self, resource: Resource, pool: Pool, addresses: Addresses) -> None:
        self._resource = resource
        self._pool = pool
        self._addresses = addresses
        self._columns = list_columns(resource.plural, resource.id_name, resource.sorts)
        filters = list_filters(
            resource.plural, resource.filters, named="name" in resource.sorts, archivable=resource.archivable
        )
        name = f"{resource.fields.__name__.removesuffix('Fields')}Query"
        query = sorted_query(name, tuple(self._columns), resource.id_name, filters)
        self._page = Page[resource.shown]  # type: ignore[name-defined]
        add_operation(
            self,
            "post",
            type(self).create,
            f"Create {resource.one}",
            statuses=(HTTPStatus.CREATED,),
            types={"body": resource.new, "return": resource.created},
            versioned=True,
            conflicts=resource.conflict_codes,
        )
        add_operation(
            self,
            "get",
            type(self).list,
            f"List {resource.plural.replace('_', ' ')}",
            types={"query": query, "return": self._page},
        )

    def create(self, req: falcon.Request, resp: falcon.Response, body: Body) -> Shown:
        """The answer is the new object, and `Location` has its address."""
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            row, created = save_new(database, self._resource, body.values(), self._addresses)
        resp.etag = str(row["revision"])
        resp.location = f"{self._resource.collection_path}/{created.object_id}"
        return self._resource.show_created(row, self._addresses, created.shown_once)

    def list(self, req: falcon.Request, resp: falcon.Response, query: Any) -> Shown:
        """The objects are in the order of their ids, unless `sort` says otherwise."""
        order = order_of(query.sort, self._columns, f"{self._resource.plural}.{self._resource.id_name}")
        with self._pool.connection() as database:
            rows = load_page(database, self._resource, query.chosen(), order, query.cursor, query.limit + 1)
        sorted_by = query.sort.removeprefix("-")
        return page_of(
            self._page,
            rows,
            query.limit,
            lambda row: self._resource.show(row, self._addresses),
            lambda row: order.cursor(row[sorted_by], row[self._resource.id_name]),
        )


class Item:
    """One object of its kind."""

    def __init__(self, resource: Resource, pool: Pool, addresses: Addresses) -> None:
        self._resource = resource
        self._pool = pool
        self._addresses = addresses
        one = resource.one
        named: dict[str, Any] = {"path_names": {"object_id": resource.id_name}}
        shown = {"return": resource.shown}
        add_operation(self, "get", type(self).show, f"Show {one}", types=shown, versioned=True, **named)
        add_operation(
            self,
            "patch",
            type(self).change,
            f"Change {one}",
            types={"body": resource.changes, **shown},
            versioned=True,
            conflicts=(*resource.conflict_codes, *["archived"] * resource.archivable),
            **named,
        )
        add_operation(
            self,
            "delete",
            type(self).remove,
            f"Delete {one}",
            statuses=(HTTPStatus.NO_CONTENT,),
            conflicts=("in-use",),
            **named,
        )

    def show(self, req: falcon.Request, resp: falcon.Response, object_id: int) -> Shown:
        """If-Match takes the ETag of the answer."""
        with self._pool.connection() as database:
            row = load_one(database, self._resource, object_id)
        resp.etag = str(row["revision"])
        return self._resource.show(row, self._addresses)

    def change(
        self, req: falcon.Request, resp: falcon.Response, object_id: int, body: Body, allowed: Revisions
    ) -> Shown:
        """Change the fields that the body names. The others stay as they are."""
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            row = save_changes(database, self._resource, object_id, body.changes(), allowed)
        resp.etag = str(row["revision"])
        return self._resource.show(row, self._addresses)

    def remove(self, req: falcon.Request, resp: falcon.Response, object_id: int, allowed: Revisions) -> None:
        """The object cannot be deleted while something uses it."""
        with self._pool.connection() as database:
            remove(database, self._resource, object_id, allowed)


def resource_routes(resource: Resource, pool: Pool, addresses: Addresses) -> list[Route]:
    """Return the routes of a kind of object: its collection, one of it, and its archive if it has one."""
    return [
        Route(resource.collection_path, Collection(resource, pool, addresses)),
        Route(resource.item_path, Item(resource, pool, addresses)),
        *(archive_routes(resource, pool, addresses) if resource.archivable else ()),
    ]
