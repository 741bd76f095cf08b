"""How a worker and the admin API open issues, with the same statement."""

from __future__ import annotations

# It opens an issue, counts one that is open already once more, or opens a resolved one again.
OPEN = (
    "select open_issue(%(kind)s, %(subject_key)s, %(title)s, %(detail)s, %(merchant_id)s, %(postback_id)s,"
    " %(conversion_id)s, %(click_id)s)"
)
