"""The REST resources of whoever is not logged in yet: the session, and one-time links."""

from __future__ import annotations

from http import HTTPStatus

import falcon

from admin_api.http import operation, session_of
from admin_api.people.account import shown_me
from admin_api.people.account_objects import LinkAbout, LinkToken, LinkUse, Login, Me
from admin_api.people.granting import rights_of_user
from admin_api.people.login import Doorkeeper
from admin_api.people.one_time_links import find_link, use_link
from admin_api.people.passwords import check_password
from admin_api.people.sessions import clear_cookie, origin_of, set_cookie
from admin_api.people.user_table import load_user
from admin_api.runtime import Actor, Pool
from tracking.rights import Role


class CurrentSession:
    """The session of this browser."""

    def __init__(self, pool: Pool, doorkeeper: Doorkeeper) -> None:
        self._pool = pool
        self._doorkeeper = doorkeeper

    @operation("Log in", open=True, guessable=True)
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: Login) -> Me:
        """The answer sets the cookie `__Host-waypost`, which browsers keep on HTTPS and on localhost.

        With a second factor and no code, the answer is 401 `code-required`. After too many wrong logins it is 429.
        """
        begun = self._doorkeeper.enter(body.given_by(body.email), origin_of(req))
        with self._pool.connection() as database:
            user = load_user(database, begun.user_id)
            actor = Actor(
                user["name"], None, user["user_id"], Role(user["role"]), rights_of_user(user), user["source_id"]
            )
            me = shown_me(database, actor, begun.session_id)
        set_cookie(resp, begun.token)
        return me

    @operation("Log out", statuses=(HTTPStatus.NO_CONTENT,))
    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The session ends, and the cookie is taken from the browser."""
        session_id = session_of(req)
        with self._pool.connection() as database:
            database.execute("delete from user_sessions where session_id = %s", [session_id])
        clear_cookie(resp)


class LinkCheck:
    """Whom a one-time link is for, so that its page can greet them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Check a one-time link", open=True, not_found=("not-found",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: LinkToken) -> LinkAbout:
        """The link is not used up. It is sent in the body, so that no log of addresses has it."""
        with self._pool.connection() as database:
            return LinkAbout.of(find_link(database, body.token))


class LinkUsing:
    """Sets a password by a one-time link."""

    def __init__(self, pool: Pool, doorkeeper: Doorkeeper) -> None:
        self._pool = pool
        self._passwords = doorkeeper.passwords

    @operation("Use a one-time link", open=True, statuses=(HTTPStatus.NO_CONTENT,), not_found=("not-found",))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: LinkUse) -> None:
        """It sets the password, and ends all sessions of the user, who then logs in. The link cannot be used again."""
        with self._pool.connection() as database:
            found = find_link(database, body.token)
        check_password(body.password, found["email"])
        hashed = self._passwords.hash(body.password)
        with self._pool.connection() as database, database.transaction():
            use_link(database, body.token, hashed, body.name)
