"""The objects that the API reads and shows of users."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from admin_api.http import Body, Column, Condition, Filter, ObjectId, SearchText, Shown, Text, checked, sorted_query
from admin_api.people.one_time_links import MadeLink
from admin_api.people.passwords import PASSWORD_CHARACTERS
from tracking.rights import Role
from tracking.runtime import FieldError

EMAIL_CHARACTERS_MAX = 254
# What browsers take in a field for an e-mail address; whether somebody reads it is found out by writing to it.
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PATTERN = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(\.{_LABEL}){{0,8}}"
_EMAIL = re.compile(_PATTERN)


def parse_email(text: str, field: str) -> str:
    """Return an e-mail address in small letters, or raise FieldError."""
    if len(text) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(text):
        raise FieldError(field, f"{field} must be an e-mail address such as ada@example.com")
    return text.lower()


Email = Annotated[
    str,
    checked(parse_email),
    WithJsonSchema({"type": "string", "pattern": f"^{_PATTERN}$", "maxLength": EMAIL_CHARACTERS_MAX}),
]
Password = Annotated[str, Field(min_length=PASSWORD_CHARACTERS[0], max_length=PASSWORD_CHARACTERS[1])]
State = Literal["invited", "active", "disabled"]
RoleWord = Literal["owner", "manager", "analyst", "partner"]


class UserSettings(Body):
    """What is set of a user."""

    name: Annotated[str, Text(200)]
    """The name that is shown beside what the user changes."""
    role: RoleWord
    """What the user may do; docs/people.md has the rights of each role."""
    sees_money: bool = False
    """Whether an analyst is shown money. It says nothing of other roles."""
    source_id: ObjectId | None = None
    """The source that a partner belongs to. Nobody else has one."""


class UserFields(UserSettings):
    """A new user, who is invited by a one-time link."""

    email: Email
    """The address that the user logs in with, in small letters."""


class EditableUser(UserSettings):
    """What can be changed of a user."""

    disabled: bool = False
    """Whether the user is kept out: no login, and neither sessions nor API tokens work."""


class OneTimeLink(Shown):
    """A link that lets its user set a password, once. It is shown in this answer alone."""

    purpose: Literal["invitation", "reset"]
    path: str
    """The path of the page, with the link's token. Put your own address before it."""
    expires_at: datetime

    @classmethod
    def of_made(cls, made: MadeLink) -> OneTimeLink:
        """Return the object that shows a link that was just made."""
        return cls(**made._asdict())


class User(Shown):
    """A person, or whoever else logs in."""

    user_id: int
    email: str
    name: str
    role: Role
    sees_money: bool
    source_id: int | None
    state: State
    """`invited` until the user has set a password."""
    second_factor: bool
    """Whether logging in takes a code too."""
    link_expires_at: datetime | None
    """Until when the user's one-time link works. Null if there is none."""
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime


class InvitedUser(User):
    """A new user, with the invitation."""

    invitation: OneTimeLink


class UserFilter(Filter):
    """Filters of the list of users."""

    q: Annotated[
        SearchText | None,
        Condition("(strpos(lower(users.name), lower(%(q)s)) > 0 or strpos(users.email, lower(%(q)s)) > 0)"),
    ] = None
    """The name or the e-mail address contains this text."""
    role: Annotated[RoleWord | None, Condition("users.role = %(role)s")] = None
    """Only users of this role."""
    source_id: Annotated[ObjectId | None, Condition("users.source_id = %(source_id)s")] = None
    """Only partners of this source."""
    state: Annotated[
        State | None,
        Condition(
            "case when users.disabled_at is not null then 'disabled'"
            " when users.password_hash is null then 'invited' else 'active' end = %(state)s"
        ),
    ] = None
    """Only users of this state."""


USER_COLUMNS = {
    "user_id": Column("users.user_id", int),
    "name": Column("users.name", str),
    "email": Column("users.email", str),
    "created_at": Column("users.created_at", datetime),
}
UsersQuery = sorted_query("UsersQuery", tuple(USER_COLUMNS), "user_id", UserFilter)
