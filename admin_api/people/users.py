"""The REST resources of users: the list, one user, one-time links, and taking a lost second factor away."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import falcon

from admin_api.http import Body, Page, Revisions, caller_of, changes_of, operation, order_of, page_of
from admin_api.people.inviting import invite_new, link_again
from admin_api.people.second_factor import remove_factor
from admin_api.people.sessions import end_sessions
from admin_api.people.user_objects import (
    USER_COLUMNS,
    EditableUser,
    InvitedUser,
    OneTimeLink,
    User,
    UserFields,
    UsersQuery,
)
from admin_api.people.user_table import load_user, load_users, lock_user, remove_user, save_user
from admin_api.runtime import Database, Pool, attributed

UserChanges: Any = changes_of(EditableUser)


class Users:
    """All users."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Invite a user", statuses=(HTTPStatus.CREATED,), versioned=True, conflicts=("email-taken",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: UserFields) -> InvitedUser:
        """The answer has a one-time link, which works for seven days. Nobody can give a role more than they hold."""
        actor = caller_of(req)
        with self._pool.connection() as database, attributed(database, actor):
            user_id, made = invite_new(database, actor, body.values())
            row = load_user(database, user_id)
        resp.etag = str(row["revision"])
        resp.location = f"/v1/users/{user_id}"
        return InvitedUser.of(row, invitation=OneTimeLink.of_made(made))

    @operation("List users", types={"query": UsersQuery})
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: Any) -> Page[User]:
        """Users are in the order of their numbers, unless `sort` says otherwise."""
        order = order_of(query.sort, USER_COLUMNS, "users.user_id")
        with self._pool.connection() as database:
            rows = load_users(database, query, order)
        sorted_by = query.sort.removeprefix("-")
        return page_of(Page[User], rows, query.limit, User.of, lambda row: order.cursor(row[sorted_by], row["user_id"]))


class SingleUser:
    """One user."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show a user", versioned=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> User:
        """If-Match takes the ETag of the answer."""
        with self._pool.connection() as database:
            return self._shown(database, resp, user_id)

    @operation("Change a user", versioned=True, conflicts=("last-owner",), types={"body": UserChanges})
    def on_patch(
        self, req: falcon.Request, resp: falcon.Response, user_id: int, body: Body, allowed: Revisions
    ) -> User:
        """Another role, source, or view of money ends the user's sessions, and so does `disabled`.

        Nobody can change a user who holds more rights than they do, or give more than they hold.
        """
        actor = caller_of(req)
        with self._pool.connection() as database, attributed(database, actor):
            save_user(database, actor, user_id, body.changes(), allowed)
            return self._shown(database, resp, user_id)

    @operation("Delete a user", statuses=(HTTPStatus.NO_CONTENT,), conflicts=("last-owner",))
    def on_delete(self, req: falcon.Request, resp: falcon.Response, user_id: int, allowed: Revisions) -> None:
        """The user's sessions end, and the user's API tokens stop working. Set `disabled` to keep them for later."""
        actor = caller_of(req)
        with self._pool.connection() as database, attributed(database, actor):
            remove_user(database, actor, user_id, allowed)

    def _shown(self, database: Database, resp: falcon.Response, user_id: int) -> User:
        row = load_user(database, user_id)
        resp.etag = str(row["revision"])
        return User.of(row)


class UserLink:
    """The one-time link of a user."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Make a one-time link", statuses=(HTTPStatus.CREATED,), conflicts=("user-disabled",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> OneTimeLink:
        """It lets the user set a password, once within seven days; until then the old password works.

        It replaces the link that the user had. Who has a password gets a reset, others an invitation.
        """
        actor = caller_of(req)
        with self._pool.connection() as database, attributed(database, actor):
            return OneTimeLink.of_made(link_again(database, actor, load_user(database, user_id, lock=True)))


class UserFactor:
    """The second factor of a user who has lost it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Take away a user's second factor", versioned=True)
    def on_post(self, req: falcon.Request, resp: falcon.Response, user_id: int, allowed: Revisions) -> User:
        """For somebody who has lost the app and the recovery codes. The user's sessions end."""
        actor = caller_of(req)
        with self._pool.connection() as database, attributed(database, actor):
            lock_user(database, actor, user_id, allowed)
            remove_factor(database, user_id)
            end_sessions(database, user_id)
            database.execute(
                "update users set revision = revision + 1, updated_at = now() where user_id = %s", [user_id]
            )
            row = load_user(database, user_id)
        resp.etag = str(row["revision"])
        return User.of(row)
