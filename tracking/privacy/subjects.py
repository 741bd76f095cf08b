"""Whom an erasure is about, as a keyed hash: a receipt does not tell who it was, and what comes late is found. Pure."""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b

_PURPOSE = b"erasure"
# A record of a click that is older is refused as having a wrong date, so nothing has to be recognised after that.
TOMBSTONE_DAYS = 400


class SubjectKind(StrEnum):
    """What names the clicks that an erasure is about."""

    CLICK = "click"
    ADDRESS = "address"


def subject_hash(kind: SubjectKind, subject: str, click_id_key: bytes) -> bytes:
    """Return 16 bytes that stand for a click id or an address in its canonical form.

    SECURITY: keyed, since four thousand million addresses are soon tried.
    """
    key = blake2b(_PURPOSE, key=click_id_key, digest_size=32).digest()
    return blake2b(f"{kind}:{subject}".encode(), key=key, digest_size=16).digest()
