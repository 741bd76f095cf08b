"""The versions of an object as resources: listed, read, and gone back to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import falcon
from pydantic import Field, create_model

from admin_api.http import (
    Body,
    NumberedPageQuery,
    Page,
    Revisions,
    Route,
    Shown,
    add_operation,
    caller_of,
    page_of,
    shown_of,
)
from admin_api.resources import Addresses, Resource, load_one
from admin_api.runtime import Pool, Row, attributed
from admin_api.versions.differences import differences
from admin_api.versions.table import REFUSED, fields_of, load_version, load_versions, roll_back

REVISION_MAX = 2**31 - 1


class FieldChange(Shown):
    """A value that a version changed."""

    field: str
    """Its path, such as `routing.rules[rule_id=4].name`."""
    before: Any
    """What it was. Null if it was not there."""
    after: Any
    """What it became. Null if it is no longer there."""


class VersionSummary(Shown):
    """One revision of an object: who changed what, and when."""

    revision: int
    changed_at: datetime
    token_id: int | None
    """The number of the API token that made the change. Null for a change that no request made."""
    changed_by: str | None
    """The name of that token at the time."""
    changes: list[FieldChange]
    """What changed, compared with the revision before. Empty for the first one."""


class Rollback(Body):
    """The revision to go back to."""

    revision: Annotated[int, Field(ge=1, le=REVISION_MAX)]
    """The object becomes what it was at this revision, as a new revision."""


class Versions:
    """All versions of an object."""

    def __init__(self, resource: Resource, pool: Pool) -> None:
        self._resource = resource
        self._pool = pool
        add_operation(
            self,
            "get",
            type(self).list,
            f"List the versions of a {resource.singular}",
            path_names={"object_id": resource.id_name},
        )

    def list(
        self, req: falcon.Request, resp: falcon.Response, object_id: int, query: NumberedPageQuery
    ) -> Page[VersionSummary]:
        """The newest version comes first. A version is never changed."""
        with self._pool.connection() as database:
            load_one(database, self._resource, object_id)
            rows = load_versions(database, self._resource, object_id, query.cursor, query.limit + 1)
        before = dict(zip((row["revision"] for row in rows), rows[1:], strict=False))
        return page_of(
            Page[VersionSummary],
            rows,
            query.limit,
            lambda row: VersionSummary.of(row, changes=changes_of(row, before.get(row["revision"]))),
            lambda row: str(row["revision"]),
        )


class Version:
    """One version of an object."""

    def __init__(self, resource: Resource, pool: Pool) -> None:
        self._resource = resource
        self._pool = pool
        name = resource.singular.capitalize()
        own = {each: kind for each, kind in resource.shown_types.items() if each in resource.fields.model_fields}
        fields = shown_of(f"{name}Fields", resource.fields, {}, own, f"What a client may set of a {resource.singular}.")
        declared: Any = {"fields": (fields, Field(description="All fields as they were."))}
        self._shown = create_model(f"{name}Version", __base__=VersionSummary, __doc__="One version.", **declared)
        add_operation(
            self,
            "get",
            type(self).show,
            f"Show a version of a {resource.singular}",
            types={"return": self._shown},
            path_names={"object_id": resource.id_name},
        )

    def show(self, req: falcon.Request, resp: falcon.Response, object_id: int, revision: int) -> Shown:
        """The answer has all fields as they were, and what this version changed."""
        with self._pool.connection() as database:
            load_one(database, self._resource, object_id)
            row, before = load_version(database, self._resource, object_id, revision)
        state = fields_of(self._resource, row["fields"])
        return self._shown.of({**row, "fields": state}, changes=changes_of(row, before))


class RollbackOf:
    """Makes an object what it was."""

    def __init__(self, resource: Resource, pool: Pool, addresses: Addresses) -> None:
        self._resource = resource
        self._pool = pool
        self._addresses = addresses
        add_operation(
            self,
            "post",
            type(self).roll_back,
            f"Roll back a {resource.singular}",
            types={"return": resource.shown},
            path_names={"object_id": resource.id_name},
            versioned=True,
            conflicts=(REFUSED, *resource.conflict_codes),
        )

    def roll_back(
        self, req: falcon.Request, resp: falcon.Response, object_id: int, body: Rollback, allowed: Revisions
    ) -> Shown:
        """It becomes what it was at a revision, as a new revision. No version is lost."""
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            row = roll_back(database, self._resource, object_id, body.revision, allowed)
        resp.etag = str(row["revision"])
        return self._resource.show(row, self._addresses)


def changes_of(row: Row, before: Row | None) -> list[FieldChange]:
    """Return what a version changed, compared with the one before it."""
    if before is None:
        return []
    return [FieldChange(**each._asdict()) for each in differences(before["fields"], row["fields"])]


def version_routes(resource: Resource, pool: Pool, addresses: Addresses) -> list[Route]:
    """Return the routes of the versions of a kind of object, whose table is `{singular}_versions`."""
    return [
        Route(f"{resource.item_path}/versions", Versions(resource, pool)),
        Route(f"{resource.item_path}/versions/{{revision}}", Version(resource, pool)),
        Route(f"{resource.item_path}/rollback", RollbackOf(resource, pool, addresses)),
    ]
