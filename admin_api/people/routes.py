"""The routes of people: logging in, one's own account, users, sessions and API tokens."""

from __future__ import annotations

from admin_api.http import Route
from admin_api.people.account import FactorConfirmation, FactorRemoval, OwnFactor, OwnPassword, OwnRecoveryCodes, WhoAmI
from admin_api.people.api_tokens import ApiTokens, SingleToken, TokenRotation
from admin_api.people.entering import CurrentSession, LinkCheck, LinkUsing
from admin_api.people.login import Doorkeeper
from admin_api.people.session_list import Sessions, SessionsEnding, SingleSession
from admin_api.people.users import SingleUser, UserFactor, UserLink, Users
from admin_api.runtime import Pool


def people_routes(pool: Pool, doorkeeper: Doorkeeper) -> list[Route]:
    """Return the routes of people."""
    return [
        Route("/v1/session", CurrentSession(pool, doorkeeper)),
        Route("/v1/one-time-links/check", LinkCheck(pool)),
        Route("/v1/one-time-links/use", LinkUsing(pool, doorkeeper)),
        Route("/v1/me", WhoAmI(pool)),
        Route("/v1/me/password", OwnPassword(pool, doorkeeper)),
        Route("/v1/me/totp", OwnFactor(pool, doorkeeper)),
        Route("/v1/me/totp/confirm", FactorConfirmation(pool, doorkeeper)),
        Route("/v1/me/totp/remove", FactorRemoval(pool, doorkeeper)),
        Route("/v1/me/recovery-codes", OwnRecoveryCodes(pool, doorkeeper)),
        Route("/v1/users", Users(pool)),
        Route("/v1/users/{user_id}", SingleUser(pool)),
        Route("/v1/users/{user_id}/one-time-link", UserLink(pool)),
        Route("/v1/users/{user_id}/remove-totp", UserFactor(pool)),
        Route("/v1/sessions", Sessions(pool)),
        Route("/v1/sessions/end", SessionsEnding(pool)),
        Route("/v1/sessions/{session_id}", SingleSession(pool)),
        Route("/v1/api-tokens", ApiTokens(pool)),
        Route("/v1/api-tokens/{token_id}", SingleToken(pool)),
        Route("/v1/api-tokens/{token_id}/rotate", TokenRotation(pool)),
    ]
