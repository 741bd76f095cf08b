"""People: users with their roles, sessions, second factors and invitations, and API tokens."""

from __future__ import annotations

from admin_api.people.login import Doorkeeper
from admin_api.people.one_time_links import Purpose, make_link
from admin_api.people.passwords import Passwords
from admin_api.people.routes import people_routes
from admin_api.people.sessions import SessionLimits

__all__ = ["Doorkeeper", "Passwords", "Purpose", "SessionLimits", "make_link", "people_routes"]
