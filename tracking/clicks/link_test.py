"""The token of a test click. The admin API signs it; the edge then answers as it would a visitor, but records nothing
and takes no place in a cap. Pure.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from hashlib import blake2b

TEST_TOKEN_S = 60
# Stands where a click id stands. It has the form of one and no valid tag, so a postback with it is refused at once.
TEST_CLICK_ID = "00000000-0000-7000-8000-000000000000"
_TOKEN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{32})")


def mint_test_token(key: bytes, host: str, slug: str, now_s: float) -> str:
    """Return a token for one link on one host, which is valid for a minute. `key` is the first of the click id keys."""
    expires_s = int(now_s) + TEST_TOKEN_S
    return f"{expires_s}.{_tag(key, expires_s, host, slug)}"


def is_test_token(token: str, keys: Sequence[bytes], host: str, slug: str, now_s: float) -> bool:
    """Return whether a token was made for this link with one of `keys` and has not expired."""
    match = _TOKEN.fullmatch(token)
    if match is None or not now_s <= int(match[1]) <= now_s + 2 * TEST_TOKEN_S:
        return False
    return any(hmac.compare_digest(match[2], _tag(key, int(match[1]), host, slug)) for key in keys)


def _tag(key: bytes, expires_s: int, host: str, slug: str) -> str:
    said = f"{expires_s} {host} {slug}".encode("utf-8", "replace")
    return blake2b(said, digest_size=16, key=blake2b(key).digest(), person=b"link-test").hexdigest()
