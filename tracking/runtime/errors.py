"""The base classes of all errors that Waypost raises. They know nothing of HTTP."""

from __future__ import annotations


class WaypostError(Exception):
    """An expected failure with a stable `code` in kebab case, and the name of the bad `field` if there is one."""

    code = "waypost-error"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class FieldError(WaypostError):
    """A value from outside that cannot be accepted. `field` names it, and the message says how to correct it."""

    code = "invalid-field"

    def __init__(self, field: str, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code, field=field)
