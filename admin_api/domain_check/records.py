"""What the DNS has for a tracking domain, and what it should have."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

from dns.exception import DNSException
from dns.resolver import NXDOMAIN, Resolver

from admin_api.domain_check.objects import DnsRecord, DomainProblem, Fault
from config.settings import PublicPlace

LOOKUP_S = 4.0
_TYPES = ("CNAME", "A", "AAAA")


class Found(NamedTuple):
    """The records of a domain, its addresses, and what went wrong."""

    records: list[DnsRecord]
    addresses: frozenset[str]
    faults: list[Fault]


def records_to_set(domain: str, place: PublicPlace) -> list[DnsRecord]:
    """Return the records that bring a domain to us."""
    records = [DnsRecord(type="CNAME", name=domain, value=place.name, ttl_s=None)] if place.name else []
    records += [
        DnsRecord(type=_type_of(address), name=domain, value=address, ttl_s=None) for address in place.addresses
    ]
    return records


def find_records(domain: str, resolver: Resolver) -> Found:
    """Return what the DNS has for a domain. It never raises."""
    records: dict[tuple[str, str, str], DnsRecord] = {}
    faults: list[Fault] = []
    for kind in ("A", "AAAA"):
        try:
            answer = resolver.resolve(f"{domain}.", kind, raise_on_no_answer=False, lifetime=LOOKUP_S)
        except NXDOMAIN:
            detail = f"{domain} does not exist in the DNS; set one of the records in to_set"
            return Found([], frozenset(), [Fault(problem=DomainProblem.NO_SUCH_NAME, detail=detail)])
        except DNSException as error:
            detail = f"the DNS does not answer for {domain} ({kind}): {error}"[:300]
            faults.append(Fault(problem=DomainProblem.DNS_FAILED, detail=detail))
            # The other question would fail in the same way, after the same time.
            break
        for group in answer.response.answer:
            type_name = group.rdtype.name
            if type_name in _TYPES:
                for each in group:
                    name, value = group.name.to_text().rstrip("."), each.to_text().rstrip(".")
                    records[type_name, name, value] = DnsRecord(type=type_name, name=name, value=value, ttl_s=group.ttl)
    found = sorted(records.values(), key=lambda record: _TYPES.index(record.type))
    addresses = frozenset(str(ip_address(record.value)) for record in found if record.type != "CNAME")
    if not addresses and not faults:
        detail = f"{domain} has no address in the DNS; set one of the records in to_set"
        faults.append(Fault(problem=DomainProblem.NO_RECORD, detail=detail))
    return Found(found, addresses, faults)


def _type_of(address: str) -> str:
    return "A" if ip_address(address).version == 4 else "AAAA"
