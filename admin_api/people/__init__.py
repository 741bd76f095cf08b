"""People: users with their roles, sessions, second factors and invitations, and API tokens."""

from __future__ import annotations

from admin_api.people.inviting import invite
from admin_api.people.login import Doorkeeper
from admin_api.people.passwords import Passwords
from admin_api.people.routes import people_routes
from admin_api.people.sessions import SessionLimits
from admin_api.people.user_objects import parse_email

__all__ = ["Doorkeeper", "Passwords", "SessionLimits", "invite", "parse_email", "people_routes"]
