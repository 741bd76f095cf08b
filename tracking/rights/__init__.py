"""Who may do what: roles, and the rights that they hold. Pure."""

from __future__ import annotations

from tracking.rights.rights import RIGHTS_OF_ROLE, Right, Role, missing_rights, rights_of

__all__ = ["RIGHTS_OF_ROLE", "Right", "Role", "missing_rights", "rights_of"]
