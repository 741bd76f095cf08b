"""What a partner may set of its own outgoing postbacks: only its source, and only what it may know of a conversion."""

from __future__ import annotations

import re

from admin_api.http import Values
from admin_api.runtime import PARTNER_ROLE, Row, standing
from tracking.runtime import FieldError

# What the merchant pays, and what the traffic cost. The body of a POST has both.
_NOT_A_PARTNERS = re.compile(r"\{(payout|payout_minor|cost)\}")


def within_partner(values: Values, before: Row | None) -> Values:
    """Return what is to be stored: a partner's for its own source. Raises FieldError for what it may not set."""
    role, source_id, _ = standing()
    if role != PARTNER_ROLE:
        return values
    # A new one that names no source has null here.
    if (values.get("source_id") or int(source_id)) != int(source_id):
        raise FieldError("source_id", "source_id must be your own source, or be left out")
    if values.get("method", "GET") != "GET":
        raise FieldError("method", "method must be GET: a POST reports what merchants pay")
    hidden = _NOT_A_PARTNERS.search(values.get("url") or "")
    if hidden:
        raise FieldError("url", f"url must not have {hidden[0]}, which merchants and the operator alone know")
    return values | {"source_id": int(source_id)}
