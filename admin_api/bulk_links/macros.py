"""Turns the macros in another tracker's URL into ours. A macro that is not known is an error, never a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tracking.runtime import FieldError

# Theirs may have arguments, as in {random:1,9} or {var1:hash}.
_MACRO = re.compile(r"\{([^{}]{1,80})\}")


def translated_url(url: str, macros: Mapping[str, str], tracker: str) -> str:
    """Return a URL with our macros. Raises FieldError that names every macro without an equal."""
    unknown: list[str] = []

    def ours(match: re.Match[str]) -> str:
        name = macros.get(match[1])
        if name is None:
            unknown.append(match[0])
            return match[0]
        return f"{{{name}}}"

    translated = _MACRO.sub(ours, url)
    if unknown:
        raise FieldError(
            "destination_url",
            f"destination_url has macros of {tracker} without a known equal: {', '.join(dict.fromkeys(unknown))};"
            " say in `macros` which macro each one becomes, or take it out",
            code="unknown-macro",
        )
    return translated
