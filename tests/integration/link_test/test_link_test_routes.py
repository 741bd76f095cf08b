"""The routes that test links and profiles, without an edge: what they choose and what they say."""

from __future__ import annotations

import pytest

from admin_client import EDGE_PORT, AdminClient


def test_a_link_is_tested_at_the_edge_and_an_edge_that_is_away_is_told(admin: AdminClient) -> None:
    profile = admin.profile("t.example.com")
    link = admin.link(admin.merchant(), profile_id=profile["profile_id"], slug="abc")
    answer = admin.request("POST", f"/v1/links/{link['link_id']}/test", {"query": "sub1=a"})
    assert answer.status_code == 200, answer.text
    assert (answer.json["link_id"], answer.json["end"]) == (link["link_id"], "failed")
    (hop,) = answer.json["hops"]
    assert (hop["url"], hop["status"], hop["error"]) == (f"{link['url']}?sub1=a", None, "connect-failed")
    assert f"127.0.0.1:{EDGE_PORT}" in hop["detail"]


def test_the_newest_active_link_of_a_profile_is_tested_unless_another_is_named(admin: AdminClient) -> None:
    profile, other = admin.profile("t.example.com"), admin.profile("o.example.com")
    merchant = admin.merchant()
    first, second = (admin.link(merchant, profile_id=profile["profile_id"]) for _ in range(2))
    stopped = admin.link(merchant, profile_id=profile["profile_id"], active=False)
    path = f"/v1/profiles/{profile['profile_id']}/test"
    assert admin.request("POST", path, {}).json["link_id"] == second["link_id"]
    for named in (first, stopped):
        assert admin.request("POST", path, {"link_id": named["link_id"]}).json["link_id"] == named["link_id"]
    refused = admin.request("POST", f"/v1/profiles/{other['profile_id']}/test", {"link_id": first["link_id"]})
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (409, "nothing-to-test", "link_id")
    assert admin.request("POST", f"/v1/profiles/{other['profile_id']}/test", {}).json["code"] == "nothing-to-test"


@pytest.mark.parametrize("path", ["/v1/links/999/test", "/v1/profiles/999/test"])
def test_what_does_not_exist_is_not_tested(admin: AdminClient, path: str) -> None:
    assert admin.request("POST", path, {}).status_code == 404


def test_a_header_that_would_end_its_line_is_refused(admin: AdminClient) -> None:
    link = admin.link(admin.merchant())
    refused = admin.request("POST", f"/v1/links/{link['link_id']}/test", {"user_agent": "a\r\nX-Evil: b"})
    assert (refused.status_code, refused.json["field"]) == (400, "user_agent")
