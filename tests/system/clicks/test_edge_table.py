"""Each row of "What the edge serves", by HTTP against the real server."""

from __future__ import annotations

import pytest

from running_stack import Stack, unique
from waiting import wait_until
from world import World


@pytest.mark.parametrize("prefix", ["click", "route"])
@pytest.mark.parametrize(("redirect_type", "status"), [("301", 301), ("302", 302), ("js", 200)])
def test_a_link_redirects_in_the_way_of_its_profile(
    world: World, stack: Stack, prefix: str, redirect_type: str, status: int
) -> None:
    link = world.link(redirect_type)
    reply = stack.edge(f"/{prefix}/{link['slug']}?sub1=x", link["host"])
    assert reply.status == status
    click_id = reply.headers["x-waypost-click-id"]
    target = f"https://m.example/?c={click_id}"
    if redirect_type == "js":
        assert target.encode() in reply.body
        assert "nonce-" in reply.headers["content-security-policy"]
    else:
        assert reply.headers["location"] == target
    if redirect_type == "302":
        assert reply.headers["cache-control"] == "no-store, private"
    assert stack.await_click(click_id)["click"]["sub1"] == "x"


@pytest.mark.parametrize(("redirect_type", "status"), [("301", 301), ("302", 302), ("js", 200)])
def test_head_gets_the_same_redirect_and_is_stored_as_head(
    world: World, stack: Stack, redirect_type: str, status: int
) -> None:
    link = world.link(redirect_type)
    reply = stack.edge(link["path"], link["host"], "HEAD")
    assert (reply.status, reply.body) == (status, b"")
    assert stack.await_click(reply.headers["x-waypost-click-id"])["click"]["class"] == "head"


def test_a_prefetch_is_stored_as_prefetch(world: World, stack: Stack) -> None:
    click_id = world.click(world.link(), **{"Sec-Purpose": "prefetch;prerender"})
    assert stack.await_click(click_id)["click"]["class"] == "prefetch"


def test_a_link_without_a_profile_redirects_and_is_not_recorded(world: World, stack: Stack) -> None:
    link = world.link(None, destination_url="https://m.example/?c={click_id}&s={sub1}")
    reply = stack.edge(f"{link['path']}?sub1=x", link["host"])
    assert (reply.status, reply.headers["location"]) == (302, "https://m.example/?c=&s=x")
    assert reply.headers["x-waypost-reason"] == "no-profile"
    assert "x-waypost-click-id" not in reply.headers


def test_a_link_of_an_inactive_profile_redirects_and_is_not_recorded(world: World, stack: Stack) -> None:
    profile = stack.create("/v1/profiles", {"name": "off", "domain": f"{unique('off')}.localhost", "active": False})
    body = {
        "merchant_id": world.merchant["merchant_id"],
        "profile_id": profile["profile_id"],
        "destination_url": "https://m.example/",
    }
    link = stack.create("/v1/links", body)
    path = f"/click/{link['slug']}"
    wait_until(lambda: stack.edge(path, profile["domain"]).status == 302, what="the link to be live")
    reply = stack.edge(path, profile["domain"])
    assert reply.headers["x-waypost-reason"] == "no-profile"
    assert "x-waypost-click-id" not in reply.headers


def test_an_unknown_slug_is_404_with_the_reason(world: World, stack: Stack) -> None:
    reply = stack.edge("/click/nothing-here", world.profiles["302"]["domain"])
    assert (reply.status, reply.headers["x-waypost-reason"]) == (404, "unknown-slug")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["code"] == "unknown-slug"


def test_a_wrong_host_is_404_with_the_reason(world: World, stack: Stack) -> None:
    link = world.link()
    reply = stack.edge(link["path"], "nobody.example")
    assert (reply.status, reply.headers["x-waypost-reason"]) == (404, "wrong-host")
    assert "x-waypost-click-id" not in reply.headers


def test_the_test_click_tells_who_answers(world: World, stack: Stack) -> None:
    profile = world.profiles["302"]
    reply = stack.edge("/click?test=1", profile["domain"])
    assert reply.status == 200
    answer = reply.json
    assert (answer["profile"]["profile_id"], answer["active"]) == (profile["profile_id"], True)
    assert answer["spool"]["healthy"] is True
    assert answer["mirror"]["version"] > 0
    nobody = stack.edge("/click?test=1", "nobody.example").json
    assert (nobody["profile"], nobody["active"]) == (None, False)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({}, 200, None),
        ({"event": "nonsense"}, 400, "bad-field"),
        ({"event": None}, 400, "bad-field"),
        ({"payout": "a lot"}, 400, "bad-field"),
        ({"status": "perhaps"}, 400, "bad-field"),
        ({"click_id": "01a05d2b-1d80-7007-8000-4000000c0ffe"}, 404, "unknown-click"),
        ({"click_id": "{click_id}"}, 404, "unknown-click"),
    ],
)
@pytest.mark.parametrize("route", ["json", "token"])
def test_postback_is_answered(
    world: World, stack: Stack, route: str, change: dict[str, str], status: int, code: str | None
) -> None:
    fields = {"click_id": world.click(world.link()), "event": "qualified", "payout": "1.00"} | change
    token = world.merchant["postback_token"]
    reply = (
        stack.postback("/v1/postback", fields, token)
        if route == "json"
        else stack.postback(f"/postback/{token}", fields)
    )
    assert (reply.status, reply.json.get("code")) == (status, code)


def test_postback_with_a_bad_body_or_token_is_refused(world: World, stack: Stack) -> None:
    fields = {"click_id": world.click(world.link()), "event": "ftd"}
    assert stack.postback("/v1/postback", b"{not json").status == 400
    assert stack.postback("/postback/wp_wrong", fields).status == 401
    assert stack.postback("/v1/postback", fields, "wp_wrong").status == 401


def test_a_refused_postback_is_stored_with_its_reason(world: World, stack: Stack) -> None:
    click_id = world.click(world.link())
    before = stack.await_settled()["postbacks"]["stored"]
    fields = {"click_id": click_id, "event": "ftd"}
    assert stack.postback("/postback/wp_wrong", fields).status == 401
    assert stack.postback("/v1/postback", b"\x00\xff{").status == 400
    assert stack.postback("/v1/postback", fields | {"click_id": click_id[:-1] + "g"}).status == 404
    wait_until(
        lambda: stack.await_settled()["postbacks"]["stored"] == before + 3, what="three refused postbacks stored"
    )


def test_health_and_metrics_are_served(stack: Stack) -> None:
    assert stack.edge("/livez").status == 200
    assert stack.edge("/readyz").status == 200
    metrics = stack.edge("/metrics")
    assert metrics.status == 200
    assert b"waypost_edge_answers_total" in metrics.body


def test_the_admin_serves_health_and_refuses_strangers(stack: Stack) -> None:
    assert stack.api("GET", "/livez", headers={"Authorization": ""}).status == 200
    assert stack.api("GET", "/readyz", headers={"Authorization": ""}).status == 200
    refused = stack.api("GET", "/v1/ledger", headers={"Authorization": "Bearer wp_wrong"})
    assert (refused.status, refused.headers["content-type"]) == (401, "application/problem+json")
