"""The objects of logging in and of one's own account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from admin_api.http import Body, Matching, Shown, Text
from admin_api.people.login import Given
from admin_api.people.user_objects import Email, Password
from tracking.rights import Right, Role

LINK_TOKEN = Matching("[A-Za-z0-9_-]{43}", "the last part of the link's path")
Totp = Annotated[str, Matching("[0-9]{6}", "the six digits that the app shows")]
RecoveryCode = Annotated[str, Field(min_length=16, max_length=40)]
# A password that is compared with another may have any length that a hash can be computed of.
GivenPassword = Annotated[str, Field(max_length=200)]


class Proof(Body):
    """The password, and a code if the account has a second factor."""

    password: GivenPassword
    totp: Totp | None = None
    """The code that the authenticator app shows."""
    recovery_code: RecoveryCode | None = None
    """One of the recovery codes, instead of `totp`. It is used up."""

    def given_by(self, email: str) -> Given:
        """Return what is checked."""
        return Given(email, self.password, self.totp, self.recovery_code)


class Login(Proof):
    """What a user logs in with."""

    email: Email


class NewPassword(Proof):
    """Another password, and proof that it is the user who sets it."""

    new_password: Password


class TotpConfirmation(Body):
    """A first code of the app that was set up."""

    totp: Totp


class LinkToken(Body):
    """The token of a one-time link."""

    token: Annotated[str, LINK_TOKEN]


class LinkUse(LinkToken):
    """What the user of a one-time link sets."""

    password: Password
    name: Annotated[str, Text(200)] | None = None
    """Another name than the one that the invitation was made with."""


class LinkAbout(Shown):
    """Whom a one-time link is for."""

    purpose: str
    """`invitation`, or `reset` for a password that was forgotten."""
    email: str
    name: str
    expires_at: datetime


class Me(Shown):
    """Who calls: a user, or an API token."""

    name: str
    role: Role
    rights: list[Right]
    """What this session or token may do."""
    source_id: int | None
    """The source of a partner, who sees nothing of others."""
    token_id: int | None
    """The number of the API token; null in a session."""
    user_id: int | None
    """Null for an API token of the installation itself, such as the first one."""
    email: str | None
    session_id: int | None
    second_factor: bool | None
    """Whether logging in takes a code too; null without a user."""
    recovery_codes: int | None
    """How many recovery codes are left; null without a user."""


class Enrolment(Shown):
    """A secret for an authenticator app. It counts once a code of it was sent."""

    secret: str
    """The secret in base32, to be typed."""
    otpauth_uri: str
    """The same for a QR code."""


class RecoveryCodes(Shown):
    """Recovery codes. They are shown in this answer alone, and each can be used once."""

    recovery_codes: list[str]


class Session(Shown):
    """A browser in which a user is logged in."""

    session_id: int
    user_id: int
    current: bool
    """Whether it is the one that asks."""
    created_at: datetime
    last_seen_at: datetime
    """When it was last used, up to a minute ago."""
    expires_at: datetime
    """When it ends at the latest."""
    address: str | None
    user_agent: str


class SessionsEnd(Body):
    """Which sessions to end."""

    user_id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    """Whose; without it, the caller's own."""
    keep_current: bool = True
    """Whether the session that asks goes on."""


class SessionsEnded(Shown):
    """How many sessions were ended."""

    ended: int
