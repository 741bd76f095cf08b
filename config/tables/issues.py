"""How issues are opened: the same in a worker and in the admin API."""

from __future__ import annotations

# Opens it, counts it once more where it is open already, or opens it again where it was resolved.
OPEN = (
    "select open_issue(%(kind)s, %(subject_key)s, %(title)s, %(detail)s, %(merchant_id)s, %(postback_id)s,"
    " %(conversion_id)s, %(click_id)s)"
)
