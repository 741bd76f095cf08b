"""Puts a check together: the DNS first, then the certificate and the answer on the domain."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dns.resolver import Resolver

from admin_api.domain_check.objects import Certificate, DomainCheck, DomainProblem, Fault
from admin_api.domain_check.records import find_records, records_to_set
from admin_api.link_test import Hop, HopTls, Web, ask
from config.connections import tls_context
from config.settings import PublicPlace
from tracking.outgoing import AttemptError

EXPIRES_SOON = timedelta(days=14)
_HEADERS = {"User-Agent": "Waypost domain check", "Accept": "application/json"}


def _without_name_check() -> ssl.SSLContext:
    context = tls_context(None)
    context.check_hostname = False
    return context


def _certificate(tls: HopTls) -> Certificate:
    return Certificate(issuer=tls.issuer, names=tls.names, expires_at=tls.expires_at, tls_version=tls.version)


@dataclass(frozen=True, slots=True)
class DomainChecker:
    """Checks tracking domains. `any_name` verifies a certificate as `web` does, whatever its names are."""

    place: PublicPlace
    web: Web
    resolver: Callable[[], Resolver] = Resolver
    any_name: Callable[[], ssl.SSLContext] = _without_name_check
    port: int = 443
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def check(self, domain: str) -> DomainCheck:
        """Return what the DNS and the server on a domain say. It never raises; what fails is one of the problems."""
        resolver = self.resolver()
        found = find_records(domain, resolver)
        faults = list(found.faults)
        ours = frozenset(self.place.addresses)
        if self.place.name:
            ours |= find_records(self.place.name, resolver).addresses
        if not self.place.name and not ours:
            detail = "set PUBLIC_NAME or PUBLIC_ADDRESSES, so that the record to set can be shown"
            faults.append(Fault(problem=DomainProblem.NOT_CONFIGURED, detail=detail))
        leads_here = found.addresses <= ours if found.addresses and ours else None
        if leads_here is False:
            others = ", ".join(sorted(found.addresses - ours))
            detail = f"{domain} leads to {others}, which is not yours unless a proxy or CDN in front of you has it"
            faults.append(Fault(problem=DomainProblem.POINTS_ELSEWHERE, detail=detail))
        hop, more = self._answer(domain) if found.addresses else (None, [])
        tls = hop.tls if hop is not None else None
        return DomainCheck(
            domain=domain,
            to_set=records_to_set(domain, self.place),
            found=found.records,
            leads_here=leads_here,
            status=hop.status if hop is not None else None,
            certificate=None if tls is None else _certificate(tls),
            problems=[*faults, *more],
        )

    def _answer(self, domain: str) -> tuple[Hop, list[Fault]]:
        """Return the answer of the test click on the domain, and what is wrong with it or its certificate."""
        url = f"https://{domain}{'' if self.port == 443 else f':{self.port}'}/click?test=1"
        hop = ask(self.web, url, _HEADERS)
        if hop.error == AttemptError.TLS_FAILED:
            again = ask(Web(self.web.allowed, self.web.resolve, self.any_name()), url, _HEADERS)
            if again.tls is not None:
                detail = f"the certificate is for {', '.join(again.tls.names) or 'no name'}, not for {domain}"
                return again, [Fault(problem=DomainProblem.CERTIFICATE_OF_ANOTHER_NAME, detail=detail)]
            return hop, [Fault(problem=DomainProblem.CERTIFICATE_REFUSED, detail=hop.detail or "")]
        if hop.error is not None:
            refused = hop.error == AttemptError.ADDRESS_REFUSED
            problem = DomainProblem.NOT_PUBLIC if refused else DomainProblem.NO_ANSWER
            return hop, [Fault(problem=problem, detail=hop.detail or "")]
        faults = []
        if hop.tls is not None and hop.tls.expires_at - self.now() < EXPIRES_SOON:
            detail = f"the certificate expires on {hop.tls.expires_at:%Y-%m-%d}; it should have been renewed by now"
            faults.append(Fault(problem=DomainProblem.CERTIFICATE_EXPIRES_SOON, detail=detail))
        if hop.status != 200:
            detail = (
                f"the answer to /click?test=1 is {hop.status}, and an edge answers 200: something else answers there"
            )
            faults.append(Fault(problem=DomainProblem.OTHER_ANSWER, detail=detail))
        return hop, faults
