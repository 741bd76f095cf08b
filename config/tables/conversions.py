"""Says who changes conversions. A transaction says it before each change, and a trigger writes it with the change."""

from __future__ import annotations

# It sets all four each time, so that nothing is left from the change before. A blank text means null.
ATTRIBUTE = (
    "select set_config('waypost.cause', %(cause)s, true), set_config('waypost.postback', %(postback)s, true),"
    " set_config('waypost.actor', %(actor)s, true), set_config('waypost.note', %(note)s, true)"
)
