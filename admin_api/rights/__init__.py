"""Who may do which operation, and what is shown of the answer: the right of every operation, and hidden money."""

from __future__ import annotations

from admin_api.rights.check import RightsCheck
from admin_api.rights.money import Hiding, hidden, is_hidden
from admin_api.rights.needs import NEEDS, Need

__all__ = ["NEEDS", "Hiding", "Need", "RightsCheck", "hidden", "is_hidden"]
