"""A URL in a parameter of the click that says where the click goes next. Pure.

It is obeyed only if its host is on the profile's list, or if it is signed with a secret of the profile.
SECURITY: else anybody could send visitors anywhere by a link on the operator's domain (an open redirect).
"""

from __future__ import annotations

import hmac
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlsplit

from tracking.clicks.parameters import parse_query
from tracking.clicks.template import check_domain, check_url
from tracking.runtime import FieldError

SIGNATURE_NAME = "sig"
ANY_SUBDOMAIN = "*."
# The braces as check_url writes them.
_CLICK_ID = "%7Bclick_id%7D"


class NextHopResult(StrEnum):
    """What became of a next hop: obeyed in the first two cases. Each is a metric label and a row of docs/clicks.md."""

    HOST_ALLOWED = "host-allowed"
    SIGNED = "signed"
    BAD_URL = "bad-url"
    HOST_NOT_ALLOWED = "host-not-allowed"
    BAD_SIGNATURE = "bad-signature"


class NextHops(NamedTuple):
    """Which parameter has the URL, and when it is obeyed.

    `hosts` are host names, or `*.` and a domain for every host below that domain. With `secrets` it may be signed.
    """

    parameter: str
    hosts: frozenset[str]
    secrets: tuple[str, ...]


class NextHop(NamedTuple):
    """A next hop that a click named. `url` is absolute and in ASCII, and empty if it is not obeyed."""

    result: NextHopResult
    url: str


def check_redirect_host(host: str, field: str) -> str:
    """Return a host of the list as it is compared, or raise FieldError naming `field`."""
    if not host.startswith(ANY_SUBDOMAIN):
        return check_domain(host, field)
    domain = check_domain(host.removeprefix(ANY_SUBDOMAIN), field)
    if "." not in domain:
        raise FieldError(field, f"{field} would allow all of {host[:80]!r}; name at least a domain and its ending")
    return f"{ANY_SUBDOMAIN}{domain}"


def sign_next_hop(url: str, secret: str) -> str:
    """Return the signature of a next hop: the HMAC-SHA256 of the URL, before it is percent-encoded, in hex."""
    return hmac.new(secret.encode(), url.encode("utf-8", "replace"), sha256).hexdigest()


def find_next_hop(query: str, hops: NextHops, click_id: str) -> NextHop | None:
    """Return the next hop that a click names in `query`, None if it names none. `query` is as in parse_query.

    `{click_id}` in the URL is filled in. Any other brace is percent-encoded.
    """
    parameters = parse_query(query)
    said = parameters.get(hops.parameter)
    if not said:
        return None
    try:
        url = check_url(said, hops.parameter)
    except FieldError:
        return NextHop(NextHopResult.BAD_URL, "")
    signature = parameters.get(SIGNATURE_NAME)
    if _is_allowed(urlsplit(url).hostname or "", hops.hosts):
        result = NextHopResult.HOST_ALLOWED
    elif signature is None or not hops.secrets:
        return NextHop(NextHopResult.HOST_NOT_ALLOWED, "")
    elif _is_genuine(said, signature, hops.secrets):
        result = NextHopResult.SIGNED
    else:
        return NextHop(NextHopResult.BAD_SIGNATURE, "")
    return NextHop(result, url.replace(_CLICK_ID, click_id))


def _is_allowed(host: str, hosts: frozenset[str]) -> bool:
    name = host.rstrip(".")
    if name in hosts:
        return True
    labels = name.split(".")
    return any(f"{ANY_SUBDOMAIN}{'.'.join(labels[start:])}" in hosts for start in range(1, len(labels)))


def _is_genuine(said: str, signature: str, secrets: tuple[str, ...]) -> bool:
    given = signature.strip().lower().encode("utf-8", "replace")
    return any(hmac.compare_digest(given, sign_next_hop(said, secret).encode()) for secret in secrets)
