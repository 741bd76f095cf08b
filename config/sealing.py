"""Encryption of secrets that must stay readable: what is stored of a signing secret is sealed with a key that the
database never has.

A sealed text names its key, so keys can be changed while rows of older ones are read (`python -m
admin_api.rotate_secrets`). AES-256-GCM: a text that was changed, or sealed with a key that is gone, is refused.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from functools import cache
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.settings import secrets_keys
from tracking.runtime import WaypostError

_PREFIX = "sealed:"
_NONCE_BYTES = 12


class SealError(WaypostError):
    """A sealed secret cannot be read: no key of SECRETS_KEYS sealed it, or it was changed."""

    code = "unknown-seal"


class Seals:
    """Seals and unseals with a list of keys of 32 bytes, of which the first one seals."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._newest = _key_id(keys[0])

    def seal(self, text: str) -> str:
        """Return `text` sealed: `sealed:{key}:{base64}`. The same text is never sealed the same way twice."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._ciphers[self._newest].encrypt(nonce, text.encode(), self._newest.encode())
        return f"{_PREFIX}{self._newest}:{urlsafe_b64encode(sealed).decode()}"

    def unseal(self, stored: str) -> str:
        """Return what was sealed. A text that was never sealed, as before an update, is returned as it is."""
        if not stored.startswith(_PREFIX):
            return stored
        key_id, _, text = stored.removeprefix(_PREFIX).partition(":")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealError(f"a secret is sealed with key {key_id[:8]}, which SECRETS_KEYS lacks; add that key again")
        try:
            sealed = urlsafe_b64decode(text)
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key_id.encode()).decode()
        except (InvalidTag, ValueError, Base64Error):
            raise SealError("a sealed secret was changed in the database; make a new secret") from None

    def is_newest(self, stored: str) -> bool:
        """Say whether a stored text is sealed with the first key."""
        return stored.startswith(f"{_PREFIX}{self._newest}:")


def is_sealed(stored: str) -> bool:
    """Say whether a stored text is sealed, with whatever key."""
    return stored.startswith(_PREFIX)


@cache
def process_seals() -> Seals:
    """Return the seals of this process's own keys. They are read once, as all settings are."""
    return Seals(secrets_keys())


def seal(text: str) -> str:
    """Seal a secret with the first of this process's keys, to be stored."""
    return process_seals().seal(text)


def unseal(stored: str) -> str:
    """Return a secret that was stored. Raises SealError if none of this process's keys sealed it."""
    return process_seals().unseal(stored)


def _key_id(key: bytes) -> str:
    return sha256(b"waypost sealing key\0" + key).hexdigest()[:8]
