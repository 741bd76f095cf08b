"""A change of many objects is shown before it is made: the token of a preview stands for exactly what was shown."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated

from admin_api.http.errors import ConflictError
from admin_api.http.field_types import Text
from admin_api.http.models import Shown

TOKEN_CHARACTERS = 32
# The code of the conflict when something has changed since the preview.
OUTDATED = "preview-outdated"
PreviewToken = Annotated[str, Text(2 * TOKEN_CHARACTERS)]


class BulkResult(Shown):
    """What a filter finds, and how much of it was changed."""

    count: int
    """How many objects the filter finds."""
    token: str | None
    """Repeat the request with this token to do it to these. Null once it is done."""
    changed: int | None
    """How many were changed. Null in a preview."""


def preview_token(lines: Iterable[str | bytes]) -> str:
    """Return the token of what the lines say: what would be changed, and the state that it was found in."""
    digest = sha256()
    for line in lines:
        digest.update(line.encode() if isinstance(line, str) else line)
        digest.update(b"\n")
    return digest.hexdigest()[:TOKEN_CHARACTERS]


def require_preview(token: str, current: str, finds: str) -> None:
    """Raise ConflictError if a token is not that of what is found now. `finds` says what that is."""
    if token != current:
        raise ConflictError(
            f"this is not what the preview showed: {finds}; ask for a preview again and repeat its token",
            code=OUTDATED,
            field="token",
        )
