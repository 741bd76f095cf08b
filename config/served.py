"""Profiles, links and tokens as the edge serves them: compiled at publication, decoded at the edge without validation.

One key and one orjson array each, in the Redis hash and in the LMDB mirror alike:

    p:{domain}              profile of a tracking domain
    l:{profile_id}:{slug}   link; profile_id 0 is a link without a profile
    t:{sha256 hex}          postback token of a merchant account
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

NO_PROFILE = 0


class ServedProfile(NamedTuple):
    """A tracking domain. `redirect_type` is 301, 302 or js; `pixels` are URLs the js page fires first."""

    profile_id: int
    name: str
    active: bool
    redirect_type: str
    fallback_url: str | None
    pixels: list[str]
    pixel_timeout_ms: int


class ServedLink(NamedTuple):
    """A link. `parts` is a compiled template (tracking.template); `sub_defaults` are sub1..sub10 or null."""

    link_id: int
    active: bool
    parts: list[str]
    source: str | None
    sub_defaults: list[str | None]


class ServedToken(NamedTuple):
    """A merchant account's postback token, by its hash; `currency` is the account's default."""

    merchant_id: int
    currency: str


def profile_key(domain: str) -> str:
    """Return the key of the profile that answers on `domain`."""
    return f"p:{domain}"


def link_key(profile_id: int | None, slug: str) -> str:
    """Return the key of a link."""
    return f"l:{profile_id or NO_PROFILE}:{slug}"


def token_key(token: str) -> str:
    """Return the key of a postback token. SECURITY: only the hash ever leaves the process that made the token."""
    return f"t:{hash_token(token)}"


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token in hex. Tokens are 256 random bits, so no salt or stretching is needed."""
    return sha256(token.encode()).hexdigest()


def encode_served(value: ServedProfile | ServedLink | ServedToken) -> bytes:
    """Return the stored form."""
    return orjson.dumps(tuple(value))


# PERF: there are few profiles and a link in a million is rarely remembered, so that each click would decode its own.
@lru_cache(1024)
def decode_profile(data: bytes) -> ServedProfile:
    """Return a profile, which nobody may change; `data` is trusted."""
    return ServedProfile(*orjson.loads(data))


def decode_link(data: bytes) -> ServedLink:
    """Return a link; `data` is trusted."""
    return ServedLink(*orjson.loads(data))


def decode_token(data: bytes) -> ServedToken:
    """Return a token; `data` is trusted."""
    return ServedToken(*_array(data))


def _array(data: bytes) -> list[Any]:
    values: list[Any] = orjson.loads(data)
    return values
