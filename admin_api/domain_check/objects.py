"""What a check of a tracking domain shows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from admin_api.http import Shown


class DomainProblem(StrEnum):
    """What may be wrong with a tracking domain. Each member is a row of docs/clicks.md."""

    NOT_CONFIGURED = "not-configured"
    NO_SUCH_NAME = "no-such-name"
    NO_RECORD = "no-record"
    DNS_FAILED = "dns-failed"
    POINTS_ELSEWHERE = "points-elsewhere"
    NO_ANSWER = "no-answer"
    NOT_PUBLIC = "not-public"
    CERTIFICATE_REFUSED = "certificate-refused"
    CERTIFICATE_OF_ANOTHER_NAME = "certificate-of-another-name"
    CERTIFICATE_EXPIRES_SOON = "certificate-expires-soon"
    OTHER_ANSWER = "other-answer"


class DnsRecord(Shown):
    """A record of the DNS."""

    type: str
    """A, AAAA or CNAME."""
    name: str
    value: str
    ttl_s: int | None
    """For how many seconds others may keep it; null for a record that is to be set."""


class Certificate(Shown):
    """The certificate that answers on the domain, if one of the system's authorities vouches for it."""

    issuer: str
    names: list[str]
    expires_at: datetime
    tls_version: str


class Fault(Shown):
    """A problem, and what to do about it."""

    problem: DomainProblem
    detail: str


class DomainCheck(Shown):
    """A tracking domain as the world sees it."""

    domain: str
    to_set: list[DnsRecord]
    """The records that bring the domain here: set either the CNAME or the others."""
    found: list[DnsRecord]
    """What is set now."""
    leads_here: bool | None
    """Whether all its addresses are ours; null if that cannot be said."""
    status: int | None
    """The status that https://{domain}/click?test=1 answers; 200 from an edge."""
    certificate: Certificate | None
    problems: list[Fault]
    """What is wrong; nothing if the list is empty."""
