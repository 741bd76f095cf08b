"""Authenticates a postback by the sender's address and by a signature of Standard Webhooks 1.0.0.

SECURITY: a token only says for which account a postback is sent. Whatever else the account demands is checked here.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any

from edge.postbacks.accounts import Account
from tracking.conversions import PostbackReason
from tracking.runtime import WaypostError, signature_digests

SIGNATURE_LIFETIME_S = 300
_SIGNATURES_MAX = 16
# SECURITY: dots separate the parts of what is signed, so an id with a dot could be mistaken for two parts.
_NONCE = re.compile(r"[!-\-/-~]{1,200}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class AuthenticationError(WaypostError):
    """A postback that cannot be authenticated; `code` is a PostbackReason."""


def authenticate(account: Account, env: Mapping[str, Any], address: str, body: bytes, now_s: float) -> str | None:
    """Return the nonce of a signed postback, None if the account does not sign. Raises AuthenticationError.

    `env` is the request's WSGI environment, `address` the client's address, `now_s` Unix seconds.
    """
    # SECURITY: if an account is authenticated by its address and has none, nobody is let in.
    if (account.networks or account.authentication == "address") and not _is_within(address, account):
        raise AuthenticationError(
            f"{address or 'this address'} is not one that this account's postbacks come from; add it to the account's"
            " postback_addresses",
            code=PostbackReason.ADDRESS_NOT_ALLOWED,
        )
    if account.authentication != "hmac":
        return None
    signed = body if body.strip() else (env.get("QUERY_STRING") or "").encode("latin-1")
    return _check_signature(account.secrets, env, signed, now_s)


def _check_signature(secrets: Sequence[str], env: Mapping[str, Any], content: bytes, now_s: float) -> str:
    nonce = _header(env, "webhook-id", _NONCE, "an id of its own, without spaces and dots")
    timestamp = _header(env, "webhook-timestamp", _TIMESTAMP, "Unix seconds")
    signatures = (env.get("HTTP_WEBHOOK_SIGNATURE") or "").split()[:_SIGNATURES_MAX]
    expected = signature_digests(nonce, timestamp, content, secrets)
    given = [_decoded(text) for text in signatures]
    # SECURITY: every pair is compared, so that the time this takes does not tell which one fits.
    if not sum(hmac.compare_digest(one, other) for one in expected for other in given):
        raise AuthenticationError(
            "webhook-signature is not one of this account's; sign id.timestamp.body (of a request without a body the"
            " query string) with its secret",
            code=PostbackReason.BAD_SIGNATURE,
            field="webhook-signature",
        )
    if abs(now_s - int(timestamp)) > SIGNATURE_LIFETIME_S:
        raise AuthenticationError(
            f"webhook-timestamp is {timestamp}, more than {SIGNATURE_LIFETIME_S} seconds from now ({int(now_s)}); sign"
            " each attempt with the time of that attempt",
            code=PostbackReason.STALE_SIGNATURE,
            field="webhook-timestamp",
        )
    return nonce


def _header(env: Mapping[str, Any], name: str, form: re.Pattern[str], meaning: str) -> str:
    text = (env.get(f"HTTP_{name.upper().replace('-', '_')}") or "").strip()
    if not form.fullmatch(text):
        state = "is not readable" if text else "is missing"
        raise AuthenticationError(
            f"{name} {state}; this account signs its postbacks: send {meaning}",
            code=PostbackReason.BAD_SIGNATURE,
            field=name,
        )
    return text


def _decoded(signature: str) -> bytes:
    version, _, text = signature.partition(",")
    try:
        return base64.b64decode(text, validate=True) if version == "v1" else b""
    except (binascii.Error, ValueError):
        return b""


def _is_within(address: str, account: Account) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in account.networks)
