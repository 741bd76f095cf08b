"""Tracking domains as a DNS server and a TLS server on this machine have them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from admin_api.domain_check.check import DomainChecker
from admin_api.domain_check.objects import DomainCheck
from admin_api.link_test import Web
from admin_client import AdminClient
from certificates import make_certificate, serving
from config.connections import tls_context
from config.settings import PublicPlace, SettingError, admin_settings
from local_dns import Zone, local_dns
from partner import answering, partner

DOMAIN = "track.example.com"
PLACE = PublicPlace("edge.example.com", ("203.0.113.7", "2001:db8::7"))
HERE: Zone = {DOMAIN: ["CNAME edge.example.com"], "edge.example.com": ["A 203.0.113.7", "AAAA 2001:db8::7"]}


@contextmanager
def checker(
    zone: Zone,
    place: PublicPlace = PLACE,
    files: tuple[Path, Path] | None = None,
    status: int = 200,
    trusted: bool = True,
) -> Iterator[DomainChecker]:
    """Yield a checker of what a DNS and a TLS server on this machine answer."""
    trust = tls_context(str(files[0]) if files and trusted else None)

    def any_name() -> ssl.SSLContext:
        context = tls_context(str(files[0]) if files and trusted else None)
        context.check_hostname = False
        return context

    web = Web((ip_network("127.0.0.0/8"),), lambda name, port: ["127.0.0.1"], trust)
    with local_dns(zone) as resolver, partner(answering(status), tls=serving(files) if files else None) as edge:
        yield DomainChecker(place, web, lambda: resolver, any_name, edge.port)


def problems(check: DomainCheck) -> list[str]:
    return [fault.problem.value for fault in check.problems]


def test_a_domain_that_leads_here_with_a_good_certificate_has_no_problem(tmp_path: Path) -> None:
    with checker(HERE, files=make_certificate(tmp_path, DOMAIN, 90)) as checking:
        check = checking.check(DOMAIN)
    assert (problems(check), check.leads_here, check.status) == ([], True, 200)
    assert [(each.type, each.name, each.value, each.ttl_s) for each in check.found] == [
        ("CNAME", DOMAIN, "edge.example.com", 300),
        ("A", "edge.example.com", "203.0.113.7", 300),
        ("AAAA", "edge.example.com", "2001:db8::7", 300),
    ]
    assert [(each.type, each.name, each.value) for each in check.to_set] == [
        ("CNAME", DOMAIN, "edge.example.com"),
        ("A", DOMAIN, "203.0.113.7"),
        ("AAAA", DOMAIN, "2001:db8::7"),
    ]
    assert check.certificate is not None
    assert (check.certificate.names, check.certificate.issuer) == ([DOMAIN], DOMAIN)
    assert check.certificate.expires_at > datetime.now(UTC) + timedelta(days=80)


def test_a_name_alone_is_looked_up_to_know_what_is_ours(tmp_path: Path) -> None:
    with checker(HERE, PublicPlace("edge.example.com"), make_certificate(tmp_path, DOMAIN, 90)) as checking:
        assert checking.check(DOMAIN).leads_here is True


@pytest.mark.parametrize(
    ("zone", "problem", "leads_here"),
    [
        ({}, "no-such-name", None),
        ({DOMAIN: []}, "no-record", None),
        ({DOMAIN: ["TXT x"]}, "no-record", None),
        ({DOMAIN: ["CNAME gone.example.com"]}, "dns-failed", None),
        ({DOMAIN: None}, "dns-failed", None),
    ],
)
def test_what_the_dns_lacks_is_said_with_the_record_to_set(zone: Zone, problem: str, leads_here: bool | None) -> None:
    with checker({**zone, "edge.example.com": HERE["edge.example.com"]}) as checking:
        check = checking.check(DOMAIN)
    assert problem in problems(check)
    assert (check.leads_here, check.status, check.certificate) == (leads_here, None, None)
    assert len(check.to_set) == 3
    assert all(fault.detail for fault in check.problems)


def test_a_domain_with_one_address_elsewhere_does_not_lead_here(tmp_path: Path) -> None:
    zone = {**HERE, DOMAIN: ["A 203.0.113.7", "A 198.51.100.9"]}
    with checker(zone, files=make_certificate(tmp_path, DOMAIN, 90)) as checking:
        check = checking.check(DOMAIN)
    assert (problems(check), check.leads_here) == (["points-elsewhere"], False)
    assert "198.51.100.9" in check.problems[0].detail


def test_without_a_place_of_ours_it_cannot_be_said_whether_the_domain_leads_here(tmp_path: Path) -> None:
    with checker(HERE, PublicPlace(), make_certificate(tmp_path, DOMAIN, 90)) as checking:
        check = checking.check(DOMAIN)
    assert (problems(check), check.leads_here, check.to_set) == (["not-configured"], None, [])


def test_a_certificate_of_another_name_is_shown_with_its_names(tmp_path: Path) -> None:
    with checker(HERE, files=make_certificate(tmp_path, "other.example.com", 90)) as checking:
        check = checking.check(DOMAIN)
    assert problems(check) == ["certificate-of-another-name"]
    assert check.certificate is not None
    assert check.certificate.names == ["other.example.com"]


def test_a_certificate_that_nobody_vouches_for_is_said_in_words(tmp_path: Path) -> None:
    with checker(HERE, files=make_certificate(tmp_path, DOMAIN, 90), trusted=False) as checking:
        check = checking.check(DOMAIN)
    assert (problems(check), check.certificate) == (["certificate-refused"], None)
    assert "certificate" in check.problems[0].detail


def test_a_certificate_that_expires_soon_and_an_answer_that_is_no_edges_are_problems(tmp_path: Path) -> None:
    with checker(HERE, files=make_certificate(tmp_path, DOMAIN, 3), status=404) as checking:
        assert problems(checking.check(DOMAIN)) == ["certificate-expires-soon", "other-answer"]


def test_a_domain_that_leads_to_a_private_address_is_not_asked() -> None:
    with local_dns({**HERE, DOMAIN: ["A 10.0.0.7"]}) as resolver:
        checking = DomainChecker(PLACE, Web((), lambda name, port: ["10.0.0.7"]), lambda: resolver)
        check = checking.check(DOMAIN)
    assert problems(check) == ["points-elsewhere", "not-public"]


def test_the_route_checks_the_domain_of_a_profile(admin: AdminClient) -> None:
    profile = admin.profile("no-such-domain.invalid")
    answer = admin.request("GET", f"/v1/profiles/{profile['profile_id']}/domain")
    assert (answer.status_code, answer.json["domain"]) == (200, "no-such-domain.invalid")
    assert {fault["problem"] for fault in answer.json["problems"]} & {"no-such-name", "dns-failed"}
    assert admin.request("GET", "/v1/profiles/999/domain").status_code == 404


@pytest.mark.parametrize(
    ("name", "value"), [("PUBLIC_NAME", "https://edge.example.com"), ("PUBLIC_ADDRESSES", "203.0.113.7, x")]
)
def test_a_place_that_is_none_is_refused_by_its_setting(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingError) as refused:
        admin_settings({"WAYPOST_HOME": str(tmp_path), "DATABASE_URL": "postgresql://x/y", name: value})
    assert refused.value.field == name
