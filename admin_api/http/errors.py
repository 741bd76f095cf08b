"""What can go wrong with a request, in the words of the domain. No error here knows HTTP; problems.py maps them."""

from __future__ import annotations

from collections.abc import Sequence

from tracking.runtime import FieldError, WaypostError


class BodyError(WaypostError):
    """A request body that is not a JSON object."""

    code = "bad-body"


class InvalidFieldsError(WaypostError):
    """Several fields cannot be accepted. The code and the field are those of the first error; `errors` has them all."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        first = errors[0]
        super().__init__(first.message, code=first.code, field=first.field)
        self.errors = tuple(errors)


class AuthenticationError(WaypostError):
    """The request has no API token, or one that is unknown, expired or revoked."""

    code = "bad-token"


class ForbiddenError(WaypostError):
    """The caller is known and may not do this."""

    code = "forbidden"


class CrossSiteError(ForbiddenError):
    """Another site made the caller's browser send the request."""

    code = "cross-site"


class SessionRequiredError(ForbiddenError):
    """Only a user who is logged in may do this, and no API token."""

    code = "session-required"


class NotFoundError(WaypostError):
    """There is no such object."""

    code = "not-found"


class ConflictError(WaypostError):
    """The change contradicts another object; the code and field say which."""

    code = "conflict"


class TooManyRequestsError(WaypostError):
    """The caller has made all requests of this minute."""

    code = "too-many-requests"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ReusedKeyError(WaypostError):
    """The Idempotency-Key came with another request before."""

    code = "idempotency-key-reused"


class RevisionError(WaypostError):
    """If-Match names a revision that is no longer the current one."""

    code = "revision-mismatch"


class PreconditionError(WaypostError):
    """An edit that does not say which revision it is based on."""

    code = "precondition-required"
