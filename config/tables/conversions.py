"""Who changes conversions: said before each change in its transaction, and written with it by a trigger."""

from __future__ import annotations

# All of it each time, so that nothing is left of the change before it. A blank text is null.
ATTRIBUTE = (
    "select set_config('waypost.cause', %(cause)s, true), set_config('waypost.postback', %(postback)s, true),"
    " set_config('waypost.actor', %(actor)s, true), set_config('waypost.note', %(note)s, true)"
)
