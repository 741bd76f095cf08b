"""Makes the requests of a test: one to our own edge, and one for each hop behind it. None follows redirects or keeps
cookies; each has limits of time and size.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from http.client import HTTPConnection, HTTPException, HTTPResponse
from time import monotonic
from typing import Any
from urllib.parse import quote, urljoin

import orjson

from admin_api.link_test.objects import Hop, HopTls
from admin_api.resources import Addresses
from config.connections import (
    OutgoingError,
    OutgoingSocket,
    Resolve,
    checked_addresses,
    connect,
    host_header,
    resolve,
    split_url,
    start_tls,
    system_context,
)
from tracking.outgoing import AttemptError, Network

CONNECT_S = 5.0
ANSWER_S = 10.0
BODY_BYTES_MAX = 65_536
LOCATION_CHARACTERS_MAX = 4096
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TITLE_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Web:
    """How other servers are reached. SECURITY: at public addresses and in the allowed networks only."""

    allowed: tuple[Network, ...] = ()
    resolve: Resolve = resolve
    tls: ssl.SSLContext = field(default_factory=system_context)


@dataclass(frozen=True, slots=True)
class OwnEdge:
    """Where our own edge answers: `host`, and the port that `addresses` has."""

    host: str
    addresses: Addresses


def ask_edge(edge: OwnEdge, url: str, path: str, headers: Mapping[str, str]) -> Hop:
    """Return the first hop: what the edge would answer to a click. `url` is the public one, which is shown."""
    began = monotonic()
    connection = HTTPConnection(edge.host, edge.addresses.edge_port, timeout=CONNECT_S)
    try:
        connection.request("GET", path, headers={"Connection": "close", **headers})
        response = connection.getresponse()
        body = response.read(BODY_BYTES_MAX)
        told: dict[str, Any] = orjson.loads(body) if response.status == 200 else {}
    except (OSError, HTTPException, ValueError) as error:
        detail = f"the edge at {edge.host}:{edge.addresses.edge_port} does not answer: {error}"
        return _hop_of(url=url, duration_ms=_since(began), error=AttemptError.CONNECT_FAILED.value, detail=detail)
    finally:
        connection.close()
    if not told:
        detail = (
            f"the edge refused the test with status {response.status}; do edge and admin have the same CLICK_ID_KEYS?"
        )
        return _hop_of(url=url, duration_ms=_since(began), error=AttemptError.BAD_RESPONSE.value, detail=detail)
    return _hop_of(url=url, address=edge.host, duration_ms=_since(began), **told)


def ask(web: Web, url: str, headers: Mapping[str, str]) -> Hop:
    """Return one hop behind the edge. It never raises: a hop without an answer says why."""
    began = monotonic()
    try:
        return _asked(web, url, headers, began)
    except OutgoingError as error:
        return _hop_of(
            url=url, address=error.address, duration_ms=_since(began), error=error.code, detail=error.message[:300]
        )
    except TimeoutError:
        timed_out = AttemptError.TIMED_OUT.value
        return _hop_of(url=url, duration_ms=_since(began), error=timed_out, detail="no answer in time")
    except (HTTPException, ValueError) as error:
        detail = f"not an HTTP answer: {type(error).__name__} {error}"[:300]
        return _hop_of(url=url, duration_ms=_since(began), error=AttemptError.BAD_RESPONSE.value, detail=detail)
    except OSError as error:
        detail = f"{error}"[:300]
        return _hop_of(url=url, duration_ms=_since(began), error=AttemptError.CONNECTION_LOST.value, detail=detail)


def _asked(web: Web, url: str, headers: Mapping[str, str], began: float) -> Hop:
    target, path = split_url(url)
    plain = connect(checked_addresses(target, web.allowed, web.resolve), target.port, CONNECT_S)
    address = str(plain.getpeername()[0])
    secured: OutgoingSocket = plain
    tls = None
    if target.is_tls:
        secured = start_tls(plain, target.name, web.tls, CONNECT_S)
        tls = hop_tls(secured)
    secured.deadline = monotonic() + ANSWER_S
    with secured:
        http = HTTPConnection(target.name, target.port)
        http.sock = secured
        secured.settimeout(ANSWER_S)
        http.request("GET", path, headers={"Host": host_header(target), "Connection": "close", **headers})
        response = http.getresponse()
        location = response.getheader("Location")
        is_redirect = 300 <= response.status < 400 and location is not None
        return _hop_of(
            url=url,
            address=address,
            status=response.status,
            location=urljoin(url, _in_ascii(location or "")) if is_redirect else None,
            duration_ms=_since(began),
            tls=tls,
            title=None if is_redirect else _title(response),
        )


def hop_tls(connection: OutgoingSocket) -> HopTls | None:
    """Return the TLS version of a connection and what its verified certificate says."""
    assert isinstance(connection, ssl.SSLSocket)
    return certificate_of(connection.getpeercert() or {}, connection.version() or "")


def certificate_of(certificate: Mapping[str, Any], version: str) -> HopTls:
    """Return what a certificate says, as ssl gives it: `issuer` as text, its DNS names and addresses, its end."""
    issuer = {name: value for part in certificate.get("issuer", ()) for name, value in part}
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    expires_s = ssl.cert_time_to_seconds(certificate["notAfter"]) if "notAfter" in certificate else 0
    said = [issuer[name] for name in ("organizationName", "commonName") if name in issuer]
    return HopTls(
        version=version, issuer=", ".join(said), names=names[:100], expires_at=datetime.fromtimestamp(expires_s, UTC)
    )


def _in_ascii(location: str) -> str:
    """Return a Location header as browsers read it: bytes beyond ASCII are percent-encoded."""
    return quote(location[:LOCATION_CHARACTERS_MAX].encode("latin-1", "replace"), safe="%/?#[]@!$&'()*+,;=:~-._")


def _title(response: HTTPResponse) -> str | None:
    if "html" not in (response.getheader("Content-Type") or "").lower():
        return None
    body = b""
    try:
        while len(body) < BODY_BYTES_MAX and (part := response.read1(BODY_BYTES_MAX - len(body))):
            body += part
    except (TimeoutError, OSError, HTTPException, ValueError):
        # What came until here may have the title.
        pass
    found = _TITLE.search(body.decode("utf-8", "replace"))
    return None if found is None else " ".join(unescape(found[1]).split())[:_TITLE_CHARACTERS_MAX]


def _since(began: float) -> int:
    return round((monotonic() - began) * 1000)


def _hop_of(**told: Any) -> Hop:
    """Return a hop. What is not told of it is null."""
    return Hop.of_stored(told)
