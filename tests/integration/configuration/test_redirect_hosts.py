"""URLs in parameters of a click: the list of hosts, links that depend on it, and the secrets that sign next hops."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.configuration.compilation import load_served
from admin_api.runtime import Database
from admin_client import AdminClient
from config.configuration import PublishedProfile, decode_link, decode_profile, link_key, profile_key

FALLBACK = "https://fallback.example/"


def served_profile(database: Database, domain: str = "t.example.com") -> PublishedProfile:
    data = load_served(database, [profile_key(domain)])[profile_key(domain)]
    assert data is not None
    return decode_profile(data)


def raw_link(admin: AdminClient, **fields: Any) -> Any:
    body = {"merchant_id": admin.merchant()["merchant_id"], "destination_url": "{url:raw}", **fields}
    return admin.request("POST", "/v1/links", body)


def test_the_list_and_the_parameter_are_published_with_the_profile(admin: AdminClient, database: Database) -> None:
    profile = admin.profile("t.example.com")
    assert (profile["redirect_hosts"], profile["next_hop_parameter"]) == ([], None)
    assert served_profile(database).next_hops is None
    changes = {"redirect_hosts": ["Shop.Example", "*.b\u00fccher.example"], "next_hop_parameter": "redirection_url"}
    shown = admin.request("PATCH", f"/v1/profiles/{profile['profile_id']}", changes).json
    assert shown["redirect_hosts"] == ["shop.example", "*.xn--bcher-kva.example"]
    hosts = ["shop.example", "*.xn--bcher-kva.example"]
    assert served_profile(database).next_hops == [hosts, "redirection_url", []]


@pytest.mark.parametrize("host", ["*", "*.com", "https://shop.example", "shop.example/x", ""])
def test_a_host_that_allows_too_much_is_refused_by_name(admin: AdminClient, host: str) -> None:
    profile = admin.profile("t.example.com")
    refused = admin.request("PATCH", f"/v1/profiles/{profile['profile_id']}", {"redirect_hosts": ["a.example", host]})
    assert (refused.status_code, refused.json["field"]) == (400, "redirect_hosts[1]")


def test_a_raw_destination_needs_a_profile_with_hosts_and_a_fallback(admin: AdminClient, database: Database) -> None:
    bare = admin.profile("bare.example.com", fallback_url=FALLBACK)
    ready = admin.profile("t.example.com", fallback_url=FALLBACK, redirect_hosts=["shop.example"])
    for profile_id in (None, bare["profile_id"]):
        refused = raw_link(admin, profile_id=profile_id)
        assert (refused.status_code, refused.json["field"]) == (400, "destination_url"), refused.text
    made = raw_link(admin, profile_id=ready["profile_id"], slug="deep")
    assert made.status_code == 201, made.text
    key = link_key(ready["profile_id"], "deep")
    data = load_served(database, [key])[key]
    assert data is not None
    assert decode_link(data).parts == ["", "url:raw", ""]
    moved = admin.request("PATCH", f"/v1/links/{made.json['link_id']}", {"profile_id": bare["profile_id"]})
    assert (moved.status_code, moved.json["field"]) == (400, "destination_url")


def test_a_profile_keeps_its_hosts_and_fallback_while_links_need_them(admin: AdminClient) -> None:
    ready = admin.profile("t.example.com", fallback_url=FALLBACK, redirect_hosts=["shop.example"])
    made = raw_link(admin, profile_id=ready["profile_id"]).json
    path = f"/v1/profiles/{ready['profile_id']}"
    for change in ({"redirect_hosts": []}, {"fallback_url": None}):
        refused = admin.request("PATCH", path, change)
        assert (refused.status_code, refused.json["code"]) == (409, "raw-destinations")
    assert admin.request("PATCH", path, {"redirect_hosts": ["other.example"]}).status_code == 200
    admin.request("PATCH", f"/v1/links/{made['link_id']}", {"destination_url": "https://own.example/"})
    assert admin.request("PATCH", path, {"redirect_hosts": [], "fallback_url": None}).status_code == 200


def test_the_newest_two_secrets_are_published_and_shown_only_once(admin: AdminClient, database: Database) -> None:
    profile = admin.profile("t.example.com", next_hop_parameter="url")
    path = f"/v1/profiles/{profile['profile_id']}"
    made = [admin.request("POST", f"{path}/next-hop-secrets").json["secret"] for _ in range(3)]
    assert len({*made}) == 3
    assert served_profile(database).next_hops == [[], "url", [made[2], made[1]]]
    shown = admin.request("GET", path)
    assert made[2] not in shown.text
    assert shown.headers["etag"] == '"4"'
    assert admin.request("DELETE", f"{path}/next-hop-secrets").status_code == 204
    assert served_profile(database).next_hops == [[], "url", []]


def test_secrets_of_a_profile_that_does_not_exist_are_not_found(admin: AdminClient) -> None:
    for method in ("POST", "DELETE"):
        assert admin.request(method, "/v1/profiles/999/next-hop-secrets").status_code == 404
