"""What the headers of a request say of its visitor: the language they read, and the site they came from. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from tracking.visitors.limits import HEADER_CHARACTERS_MAX

HOST_CHARACTERS_MAX = 253
_LANGUAGES_MAX = 20
_PRIMARY = re.compile(r"[a-z]{2,8}")
_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")
# Browsers send names beyond ASCII as punycode.
_HOST = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")
# Android's apps name themselves: android-app://com.google.android.gm/
_SCHEMES = frozenset({"http", "https", "android-app"})


def accepted_language(accept_language: str) -> str:
    """Return the primary tag, such as `de`, of the language that a header gives the greatest weight; the first of
    equals. It is empty if the header names none.
    """
    return _language(accept_language[:HEADER_CHARACTERS_MAX])


@lru_cache(maxsize=4096)
def _language(accept_language: str) -> str:
    best, best_weight = "", 0.0
    for part in accept_language.split(",")[:_LANGUAGES_MAX]:
        tag, _, parameters = part.partition(";")
        primary = tag.strip().lower().partition("-")[0].partition("_")[0]
        weight = _weight(parameters)
        if weight > best_weight and _PRIMARY.fullmatch(primary):
            best, best_weight = primary, weight
    return best


def referrer_host(referrer: str) -> str:
    """Return the host of a Referer header in lower case, without user, port or trailing dot; empty if it has none."""
    if not referrer:
        return ""
    scheme, separator, rest = referrer[:HEADER_CHARACTERS_MAX].partition("://")
    if not separator or scheme.strip().lower() not in _SCHEMES:
        return ""
    host = re.split(r"[/?#\\]", rest, maxsplit=1)[0].rpartition("@")[2].lower()
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0].rstrip(".")
    return host if len(host) <= HOST_CHARACTERS_MAX and _HOST.fullmatch(host) else ""


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    value = value.strip()
    return float(value) if _WEIGHT.fullmatch(value) else 0.0
