"""The collection and the single object of each configured kind. All kinds have the same operations."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import falcon
from pydantic import BaseModel, create_model

from admin_api.http import Body, NumberedPageQuery, Page, Revisions, Route, Shown, add_operation, caller_of
from admin_api.resources.addresses import Addresses
from admin_api.resources.resource import Resource
from admin_api.resources.store import load_one, load_page, remove, save_changes, save_new
from admin_api.runtime import Pool, attributed


class Collection:
    """All objects of one kind."""

    def __init__(self, resource: Resource, pool: Pool, addresses: Addresses) -> None:
        self._resource = resource
        self._pool = pool
        self._addresses = addresses
        singular = resource.singular
        self._page = Page[resource.shown]  # type: ignore[name-defined]
        add_operation(
            self,
            "post",
            type(self).create,
            f"Create {_article(singular)}",
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
            types={"query": _query_of(resource), "return": self._page},
        )

    def create(self, req: falcon.Request, resp: falcon.Response, body: Body) -> Shown:
        """The answer is the new object, and `Location` has its address."""
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            row, created = save_new(database, self._resource, body.values(), self._addresses)
        resp.etag = str(row["revision"])
        resp.location = f"{self._resource.collection_path}/{created.object_id}"
        return self._resource.show_created(row, self._addresses, created.shown_once)

    def list(self, req: falcon.Request, resp: falcon.Response, query: Any) -> Shown:
        """The objects are in the order of their ids."""
        with self._pool.connection() as database:
            rows = load_page(database, self._resource, query.chosen(), query.after, query.limit + 1)
        page: Shown = self._page(
            items=[self._resource.show(row, self._addresses) for row in rows[: query.limit]],
            next_cursor=str(rows[query.limit - 1][self._resource.id_name]) if len(rows) > query.limit else None,
        )
        return page


class Item:
    """One object of its kind."""

    def __init__(self, resource: Resource, pool: Pool, addresses: Addresses) -> None:
        self._resource = resource
        self._pool = pool
        self._addresses = addresses
        one = _article(resource.singular)
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
            conflicts=resource.conflict_codes,
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
    """Return the two routes of a kind of object."""
    return [
        Route(resource.collection_path, Collection(resource, pool, addresses)),
        Route(resource.item_path, Item(resource, pool, addresses)),
    ]


def _query_of(resource: Resource) -> type[BaseModel]:
    """Return the class of the parameters of a list: its filters and the place of a page."""
    name = f"{resource.fields.__name__.removesuffix('Fields')}Query"
    return create_model(name, __base__=(resource.filters, NumberedPageQuery))


def _article(singular: str) -> str:
    return f"{'an' if singular[0] in 'aeiou' else 'a'} {singular}"
