"""Reads the parts of a request that are neither body nor query: ids in paths, and If-Match."""

from __future__ import annotations

import re

import falcon

from admin_api.http.errors import NotFoundError, PreconditionError, RevisionError

# The revisions that an If-Match header allows; None allows any.
Revisions = frozenset[int] | None

_ID = re.compile("[1-9][0-9]{0,17}")
_SHOWN_CHARACTERS = 40


def decode_id(text: str, singular: str) -> int:
    """Return the id in a path. Text that cannot be an id names no object."""
    if not _ID.fullmatch(text):
        raise NotFoundError(f"there is no {singular} {text[:_SHOWN_CHARACTERS]}")
    return int(text)


def decode_revisions(req: falcon.Request) -> Revisions:
    """Return the revisions that If-Match allows, or None when it allows any.

    Raises PreconditionError without an If-Match: an edit that is based on nothing would silently undo somebody else's.
    """
    tags = req.if_match
    if tags is None:
        raise PreconditionError(
            "send If-Match with the ETag of what your change is based on, or `If-Match: *` to change it whatever it is"
        )
    if "*" in tags:
        return None
    # A weak tag never matches, since RFC 9110 asks for the strong comparison here.
    strong = [str(tag) for tag in tags if isinstance(tag, falcon.ETag) and not tag.is_weak]
    return frozenset(int(tag) for tag in strong if _ID.fullmatch(tag))


# The revision of an object that never changes once it is made, so that deleting it works like every other edit.
ONLY_REVISION = 1


def require_revision(current: int, allowed: Revisions, singular: str) -> None:
    """Raise RevisionError if If-Match does not allow an object's current revision."""
    if allowed is not None and current not in allowed:
        raise RevisionError(f"this {singular} has changed since you read it: its revision is {current}; read it again")
