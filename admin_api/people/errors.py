"""What can go wrong with people, in the words of the domain."""

from __future__ import annotations

from admin_api.http import AuthenticationError, ForbiddenError, TooManyRequestsError


class LoginError(AuthenticationError):
    """The e-mail address, the password or the code is wrong; which one is not said."""

    code = "bad-login"


class CodeRequiredError(AuthenticationError):
    """The password is right, and the account has a second factor."""

    code = "code-required"


class BeyondRightsError(ForbiddenError):
    """Somebody would give or change more than they hold themselves."""

    code = "beyond-rights"


class TooManyAttemptsError(TooManyRequestsError):
    """Too many wrong logins came before this one; it was not looked at."""

    code = "too-many-attempts"


class BusyError(TooManyRequestsError):
    """Too many passwords are being checked at this moment."""

    code = "logins-busy"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after_s=1)
