"""Signatures of messages by Standard Webhooks 1.0.0: HMAC-SHA256 of id, timestamp and body. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from hashlib import sha256

SECRET_PREFIX = "whsec_"  # noqa: S105
SECRET_BYTES = 32


def encode_secret(key: bytes) -> str:
    """Return a key as it is shown and stored: `whsec_` and base64."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def decode_secret(secret: str) -> bytes:
    """Return the key of a secret. Raises ValueError if it is not base64."""
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret is whsec_ and base64") from error


def signature_digests(message_id: str, timestamp: str, body: bytes, secrets: Sequence[str]) -> list[bytes]:
    """Return the signatures of a message, one by each secret. `timestamp` is Unix seconds as they are sent."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return [hmac.new(decode_secret(secret), signed, sha256).digest() for secret in secrets]


def signature_headers(message_id: str, timestamp_s: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """Return the three headers of a message. It is signed with all secrets, so that a new one can replace an old
    one.
    """
    digests = signature_digests(message_id, str(timestamp_s), body, secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
