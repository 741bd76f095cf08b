"""The root of every error Waypost raises on purpose. Domain errors know nothing of HTTP."""

from __future__ import annotations


class WaypostError(Exception):
    """An expected failure with a stable kebab-case `code` and, where one is to blame, the field at fault."""

    code = "waypost-error"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class FieldError(WaypostError):
    """A value from outside that cannot be accepted; `field` names it and the message says how to mend it."""

    code = "invalid-field"

    def __init__(self, field: str, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code, field=field)
