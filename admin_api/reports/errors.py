"""Why a question that was read is not answered."""

from __future__ import annotations

from admin_api.http import ConflictError, ForbiddenError


class MoneyHiddenError(ForbiddenError):
    """A column of money that the viewer may not see."""

    code = "money-hidden"


class TooMuchError(ConflictError):
    """The question took longer than REPORT_TIMEOUT_S, or its sums are out of range."""

    code = "too-much"


class RowsDroppedError(ConflictError):
    """The question needs single clicks that are no longer kept."""

    code = "rows-dropped"
