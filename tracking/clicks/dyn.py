"""The dynamic variable: a click id as text for merchants whose parameter takes no UUID.

It consists of the source's prefix, two to four letters, and 24 digits to the base 36: the click id without its six
fixed bits. Capitals and small letters are the same. Nothing else is left out, so it is as hard to forge as the id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from tracking.clicks.click_id import parse_click_id

DEFAULT_PREFIX = "DP"
CODE_DIGITS = 24
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DYN = re.compile(r"[A-Za-z]{2,4}([0-9A-Za-z]{24})")
_CODE_BITS = 122


def encode_dyn(prefix: str, click_id: str) -> str:
    """Return the dynamic variable of a click id of 36 characters, as `mint` writes it."""
    bits = int(click_id.replace("-", ""), 16)
    # The version (bits 76 to 79) and the variant (bits 62 and 63) are left out: they are the same in every id.
    value = (bits >> 80) << 74 | (bits >> 64 & 0xFFF) << 62 | bits & (1 << 62) - 1
    code = ""
    for _ in range(CODE_DIGITS):
        value, digit = divmod(value, 36)
        code = _DIGITS[digit] + code
    return prefix + code


def parse_dyn(text: str, keys: Sequence[bytes]) -> UUID | None:
    """Return the click id of a dynamic variable if its tag was made with one of `keys`, else None."""
    match = _DYN.fullmatch(text.strip())
    if match is None:
        return None
    value = int(match[1], 36)
    if value >> _CODE_BITS:
        return None
    bits = (value >> 74) << 80 | 7 << 76 | (value >> 62 & 0xFFF) << 64 | 0b10 << 62 | value & (1 << 62) - 1
    return parse_click_id(str(UUID(int=bits)), keys)
