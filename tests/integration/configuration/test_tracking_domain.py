"""The question that a proxy asks before it gets a certificate for a host name."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from admin_api.configuration.tracking_domain import PATH
from admin_client import AdminClient, admin_client
from relay import relay_to


def ask(admin: AdminClient, domain: str) -> int:
    return admin.web.simulate_get(PATH, params={"domain": domain}).status_code


def test_a_profiles_domain_is_known_without_a_token(admin: AdminClient) -> None:
    admin.profile("track.example.com")
    admin.profile("off.example.com", active=False)
    admin.profile("bücher.example")
    known = ("track.example.com", "TRACK.example.com", "track.example.com.", "off.example.com", "xn--bcher-kva.example")
    assert {name: ask(admin, name) for name in known} == dict.fromkeys(known, 200)


@pytest.mark.parametrize(
    "name",
    ["", ".", "example.com", "x.track.example.com", "track.example.com..", "a\0b", "é", "a" * 5000, "' or 1"],
)
def test_any_other_name_is_not_found(admin: AdminClient, name: str) -> None:
    admin.profile("track.example.com")
    assert ask(admin, name) == 404


def test_a_missing_or_repeated_name_is_no_error(admin: AdminClient) -> None:
    admin.profile("track.example.com")
    assert admin.web.simulate_get(PATH).status_code == 404
    repeated = f"{PATH}?domain=other.example&domain=track.example.com"
    assert admin.web.simulate_get(repeated.partition("?")[0], query_string=repeated.partition("?")[2]).status_code < 500


def test_a_deleted_profiles_domain_is_forgotten(admin: AdminClient) -> None:
    profile = admin.profile("track.example.com")
    assert admin.request("DELETE", f"/v1/profiles/{profile['profile_id']}").status_code == 204
    assert ask(admin, "track.example.com") == 404


def test_only_reading_is_possible_and_nothing_else_opens_without_a_token(admin: AdminClient) -> None:
    assert admin.web.simulate_post(PATH).status_code == 405
    assert admin.web.simulate_get(f"{PATH}/x").status_code == 401
    assert admin.web.simulate_get("/internal").status_code == 401


def test_without_the_database_the_proxy_is_told_to_ask_again(database_url: str, redis_url: str) -> None:

    target = urlsplit(database_url)
    assert target.hostname
    assert target.port
    with relay_to(target.hostname, target.port) as relay:
        relayed = target._replace(netloc=target.netloc.replace(f":{target.port}", f":{relay.port}")).geturl()
        with admin_client(relayed, redis_url) as admin:
            relay.cut()
            assert ask(admin, "track.example.com") == 503
