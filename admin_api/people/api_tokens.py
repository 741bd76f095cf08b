"""The REST resources of API tokens."""

from __future__ import annotations

from http import HTTPStatus

import falcon

from admin_api.http import (
    ConflictError,
    ForbiddenError,
    Page,
    Revisions,
    caller_of,
    operation,
    page_of,
    require_revision,
)
from admin_api.people.granting import require_hand, require_held
from admin_api.people.token_objects import ApiToken, NewApiToken, Rotation, TokenFields, TokenName, TokensQuery
from admin_api.people.token_table import (
    NewToken,
    check_expiry,
    limit_old_token,
    load_token,
    load_tokens,
    revoke,
    save_new_token,
)
from admin_api.people.user_table import load_user
from admin_api.resources import update_row
from admin_api.runtime import Actor, Database, Pool, Row, attributed
from tracking.rights import Right


class ApiTokens:
    """All API tokens that the caller may see: its own, and with people:read those of others."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Make an API token", statuses=(HTTPStatus.CREATED,), versioned=True)
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: TokenFields) -> NewApiToken:
        """The answer has the token, which is never shown again. It belongs to the caller.

        `scopes` are some of the caller's own rights. If these become fewer, the token does less at once. With an API
        token this takes people:write, and the new token ends no later than the one that makes it.
        """
        actor = caller_of(req)
        scopes = [right for right in Right if right in body.scopes]
        with self._pool.connection() as database, attributed(database, actor):
            require_hand(req, _owner(database, actor.user_id))
            require_held(actor, scopes, "this token")
            check_expiry(database, actor, body.expires_at)
            new = NewToken(body.name, actor.user_id, [str(scope) for scope in scopes], body.expires_at)
            return _saved(database, resp, actor, new)

    @operation("List API tokens")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: TokensQuery) -> Page[ApiToken]:
        """Also those that have expired or were revoked, in the order in which they were made."""
        with self._pool.connection() as database:
            rows = load_tokens(database, caller_of(req), query)
        return page_of(Page[ApiToken], rows, query.limit, ApiToken.of, lambda row: str(row["token_id"]))


class SingleToken:
    """One API token."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show an API token", versioned=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, token_id: int) -> ApiToken:
        """The token itself is not shown: it is stored hashed."""
        with self._pool.connection() as database:
            return _shown(database, resp, caller_of(req), token_id)

    @operation("Rename an API token", versioned=True)
    def on_patch(
        self, req: falcon.Request, resp: falcon.Response, token_id: int, body: TokenName, allowed: Revisions
    ) -> ApiToken:
        """Only the name can be changed. For other scopes, make another token."""
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            _locked(database, req, token_id, allowed)
            update_row(database, "api_tokens", "token_id", token_id, {"name": body.name})
            return _shown(database, resp, caller_of(req), token_id)

    @operation("Revoke an API token", statuses=(HTTPStatus.NO_CONTENT,), conflicts=("own-token",))
    def on_delete(self, req: falcon.Request, resp: falcon.Response, token_id: int, allowed: Revisions) -> None:
        """It stops working at once. It stays in the list, since what it changed names it.

        A token does not revoke itself: by mistake, nobody could get in any more.
        """
        with self._pool.connection() as database, attributed(database, caller_of(req)):
            _locked(database, req, token_id, allowed)
            if token_id == caller_of(req).token_id:
                raise ConflictError(
                    "this is the token that asks; revoke it with another one, or logged in", code="own-token"
                )
            revoke(database, token_id)


class TokenRotation:
    """Replacing an API token."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation(
        "Replace an API token", statuses=(HTTPStatus.CREATED,), versioned=True, conflicts=("token-ended", "two-active")
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, token_id: int, body: Rotation) -> NewApiToken:
        """The new token has the same name, scopes and user. The old one goes on working for `keep_hours`.

        Two tokens work at a time: one that was replaced cannot be replaced again before the new one is revoked.
        """
        actor = caller_of(req)
        with self._pool.connection() as database, attributed(database, actor):
            old = _locked(database, req, token_id, None)
            if old["user_id"] not in (None, actor.user_id):
                # SECURITY: whoever saw the new token could act in the name of its user.
                raise ForbiddenError("only its own user replaces this token; you can revoke it")
            if old["state"] != "active":
                raise ConflictError("this token has expired or was revoked; make a new one", code="token-ended")
            if old["replaces_token_id"] is not None:
                before = load_token(database, actor, old["replaces_token_id"])
                if before["state"] == "active":
                    raise ConflictError(
                        f"token {before['token_id']}, which this one replaced, still works; revoke it first",
                        code="two-active",
                    )
            require_held(actor, _scopes(old), "this token")
            check_expiry(database, actor, body.expires_at)
            new = NewToken(old["name"], old["user_id"], [str(each) for each in _scopes(old)], body.expires_at, token_id)
            shown = _saved(database, resp, actor, new)
            limit_old_token(database, token_id, body.keep_hours)
            return shown


def _scopes(token: Row) -> list[Right]:
    return [right for right in Right if token["scopes"] is None or right in token["scopes"]]


def _owner(database: Database, user_id: int | None) -> Row | None:
    return None if user_id is None else load_user(database, user_id)


def _locked(database: Database, req: falcon.Request, token_id: int, allowed: Revisions) -> Row:
    row = load_token(database, caller_of(req), token_id, lock=True)
    require_revision(row["revision"], allowed, "API token")
    require_hand(req, _owner(database, row["user_id"]))
    return row


def _shown(database: Database, resp: falcon.Response, actor: Actor, token_id: int) -> ApiToken:
    row = load_token(database, actor, token_id)
    resp.etag = str(row["revision"])
    return ApiToken.of(row)


def _saved(database: Database, resp: falcon.Response, actor: Actor, new: NewToken) -> NewApiToken:
    token_id, token = save_new_token(database, new)
    row = load_token(database, actor, token_id)
    resp.etag = str(row["revision"])
    resp.location = f"/v1/api-tokens/{token_id}"
    return NewApiToken.of(row, token=token)
