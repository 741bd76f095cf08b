"""The objects that the API reads and shows of API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import Field

from admin_api.http import Body, Moment, Number, NumberedPageQuery, Shown, Text
from tracking.rights import Right

KEEP_HOURS_MAX = 24 * 90
Scope = Annotated[Right, Field(strict=False)]
TokenState = Literal["active", "expired", "revoked"]
STATES: tuple[str, ...] = get_args(TokenState)


class TokenName(Body):
    """What can be changed of an API token."""

    name: Annotated[str, Text(200)]
    """The name that is shown beside what the token changes."""


class TokenFields(TokenName):
    """A new API token of the caller."""

    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Right))]
    """What it may do: some of the caller's own rights."""
    expires_at: Moment | None = None
    """When it stops working. Null is never."""


class Rotation(Body):
    """How an API token is replaced by another."""

    keep_hours: Annotated[int, Field(ge=1, le=KEEP_HOURS_MAX)] = 24
    """For how long the old token goes on working. Revoke it to end it at once."""
    expires_at: Moment | None = None
    """When the new one stops working. Null is never."""


class ApiToken(Shown):
    """A token with which a program calls the API."""

    token_id: int
    name: str
    prefix: str | None
    """The beginning of the token, by which its owner knows it. Null for the first one."""
    user_id: int | None
    """Whose it is; null for one of the installation itself, such as the first one."""
    scopes: list[str] | None
    """What it is limited to; null for the first one, which may do everything. It never does more than its user may."""
    state: TokenState
    expires_at: datetime | None
    last_used_at: datetime | None
    """When it was last used, up to a minute ago."""
    replaces_token_id: int | None
    """The token that it was made to replace."""
    created_at: datetime
    updated_at: datetime


class NewApiToken(ApiToken):
    """A new API token, with the token itself."""

    token: str
    """The token. It is stored hashed and never shown again."""


class TokensQuery(NumberedPageQuery):
    """The filters of the list of API tokens."""

    user_id: Number | None = None
    """Only tokens of this user."""
    state: TokenState | None = None
    """Only tokens of this state."""
