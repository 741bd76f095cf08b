"""The REST resources of the configured nouns, by real requests on a real database."""

from __future__ import annotations

import pytest
from falcon.testing import Result

from admin_api.configuration import links
from admin_api.configuration.links import SLUG_ALPHABET, SLUG_CHARACTERS
from admin_client import EDGE_PORT, AdminClient, connect

NOUNS = {
    "profiles": {"name": "P", "domain": "p.example.com"},
    "merchants": {"name": "M"},
    "sources": {"name": "S"},
}


def assert_problem(result: Result, status: int, code: str, field: str | None = None) -> None:
    """The one shape of every error."""
    assert (result.status_code, result.headers["content-type"]) == (status, "application/problem+json"), result.text
    problem = result.json
    assert set(problem) - {"field", "errors"} == {"type", "title", "status", "code", "detail"}
    assert (problem["status"], problem["code"], problem.get("field")) == (status, code, field), problem
    assert problem["detail"]


@pytest.mark.parametrize("plural", NOUNS)
def test_an_object_is_created_shown_changed_and_removed(admin: AdminClient, plural: str) -> None:
    created = admin.request("POST", f"/v1/{plural}", NOUNS[plural])
    object_id = created.json[f"{plural[:-1]}_id"]
    assert created.status_code == 201
    assert created.headers["location"] == f"/v1/{plural}/{object_id}"
    assert created.headers["etag"] == '"1"'
    assert created.headers["cache-control"] == "no-store"

    shown = admin.request("GET", created.headers["location"])
    assert shown.headers["etag"] == '"1"'
    assert shown.json == {
        name: value
        for name, value in created.json.items()
        if name not in ("postback_token", "postback_urls", "postback_secret")
    }

    changed = admin.request("PATCH", created.headers["location"], {"name": "Another"})
    assert changed.headers["etag"] == '"2"'
    assert changed.json["name"] == "Another"
    assert changed.json["updated_at"] > shown.json["updated_at"]

    assert admin.request("DELETE", created.headers["location"]).status_code == 204
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert_problem(admin.request(method, created.headers["location"], body), 404, "not-found")


def test_a_profile_has_the_documented_defaults(admin: AdminClient) -> None:
    profile = admin.profile(domain="Track.BÜCHER.example.")
    assert profile["domain"] == "track.xn--bcher-kva.example"
    defaults = {
        "redirect_type": "302",
        "click_expiry_days": 30,
        "active": True,
        "fallback_url": None,
        "pixels": [],
        "pixel_timeout_ms": 300,
        "address_storage": "truncated",
    }
    assert {name: profile[name] for name in defaults} == defaults


def test_a_link_has_a_slug_an_address_and_its_sub_ids(admin: AdminClient) -> None:
    merchant, profile = admin.merchant(), admin.profile()
    link = admin.link(merchant, profile_id=profile["profile_id"], sub1="one", sub10="ten")
    assert len(link["slug"]) == SLUG_CHARACTERS
    assert set(link["slug"]) <= set(SLUG_ALPHABET)
    assert link["name"] == link["slug"]
    assert link["url"] == f"https://track.example.com/click/{link['slug']}"
    assert (link["sub1"], link["sub2"], link["sub10"], link["active"]) == ("one", None, "ten", True)


@pytest.mark.parametrize(
    ("domain", "origin"),
    [
        (None, f"http://127.0.0.1:{EDGE_PORT}"),
        ("localhost", f"http://localhost:{EDGE_PORT}"),
        ("shop.localhost", f"http://shop.localhost:{EDGE_PORT}"),
        ("go.example.org", "https://go.example.org"),
    ],
)
def test_addresses_of_this_machine_have_the_edges_port(admin: AdminClient, domain: str | None, origin: str) -> None:
    profile_id = admin.profile(domain)["profile_id"] if domain else None
    merchant = admin.merchant()
    assert admin.link(merchant, profile_id=profile_id, slug="s")["url"] == f"{origin}/click/s"
    token = merchant["postback_token"]
    assert merchant["postback_urls"] == {
        "get": f"{origin}/postback/{token}?click_id={{click_id}}&event=conversion",
        "json": f"{origin}/postback/{token}",
    }


def test_patch_changes_only_what_it_names_and_null_clears(admin: AdminClient) -> None:
    link = admin.link(admin.merchant(), slug="here", sub1="one", sub2="two")
    path = f"/v1/links/{link['link_id']}"
    changed = admin.request("PATCH", path, {"sub1": None, "destination_url": "https://other.example/{x}"}).json
    stays = ("slug", "name", "sub2", "merchant_id", "active", "created_at", "url")
    assert {name: changed[name] for name in stays} == {name: link[name] for name in stays}
    assert (changed["sub1"], changed["destination_url"]) == (None, "https://other.example/{x}")
    assert_problem(admin.request("PATCH", path, {"slug": None}), 400, "invalid-field", "slug")
    assert_problem(admin.request("PATCH", path, {"merchant_id": None}), 400, "invalid-field", "merchant_id")


def test_patch_that_changes_nothing_keeps_the_revision(admin: AdminClient) -> None:
    path = f"/v1/profiles/{admin.profile()['profile_id']}"
    for body in ({}, {"name": "A profile", "pixels": []}):
        assert admin.request("PATCH", path, body).headers["etag"] == '"1"'


def test_what_another_object_has_is_a_conflict(admin: AdminClient) -> None:
    merchant, profile = admin.merchant(), admin.profile("a.example.com")
    other = admin.profile("b.example.com")
    body = {"name": "x", "domain": "A.example.com"}
    assert_problem(admin.request("POST", "/v1/profiles", body), 409, "domain-taken", "domain")
    taken = admin.request("PATCH", f"/v1/profiles/{other['profile_id']}", {"domain": "a.example.com"})
    assert_problem(taken, 409, "domain-taken", "domain")
    for profile_id in (profile["profile_id"], None):
        first = admin.link(merchant, profile_id=profile_id, slug="same")
        again = {name: first[name] for name in ("merchant_id", "destination_url", "profile_id", "slug")}
        assert_problem(admin.request("POST", "/v1/links", again), 409, "slug-taken", "slug")
    assert admin.link(merchant, profile_id=other["profile_id"], slug="same")["slug"] == "same"


def test_a_reference_to_nothing_names_its_field(admin: AdminClient) -> None:
    body = {"merchant_id": admin.merchant()["merchant_id"], "destination_url": "https://m.example/"}
    path = f"/v1/links/{admin.request('POST', '/v1/links', body).json['link_id']}"
    for field in ("profile_id", "merchant_id", "source_id"):
        for number in (999_999, 2**63 - 1):
            for method, route, sent in (("POST", "/v1/links", body), ("PATCH", path, {})):
                result = admin.request(method, route, sent | {field: number})
                assert_problem(result, 400, "invalid-field", field)


def test_a_drawn_slug_that_is_taken_is_drawn_again(admin: AdminClient, monkeypatch: pytest.MonkeyPatch) -> None:
    merchant = admin.merchant()
    admin.link(merchant, slug="taken22")
    drawn = iter(["taken22", "taken22", "fresh22"])
    monkeypatch.setattr(links, "mint_slug", lambda: next(drawn))
    assert admin.link(merchant)["slug"] == "fresh22"
    monkeypatch.setattr(links, "mint_slug", lambda: "taken22")
    body = {"merchant_id": merchant["merchant_id"], "destination_url": "https://m.example/"}
    assert_problem(admin.request("POST", "/v1/links", body), 409, "slug-taken", "slug")


def test_what_links_use_is_not_removed(admin: AdminClient) -> None:
    merchant, profile, source = admin.merchant(), admin.profile(), admin.created("sources", name="S")
    used = {"profile_id": profile["profile_id"], "source_id": source["source_id"]}
    link = admin.link(merchant, **used)
    paths = [f"/v1/profiles/{used['profile_id']}", f"/v1/sources/{used['source_id']}"]
    paths.append(f"/v1/merchants/{merchant['merchant_id']}")
    for path in paths:
        assert_problem(admin.request("DELETE", path), 409, "in-use")
    assert admin.request("DELETE", f"/v1/links/{link['link_id']}").status_code == 204
    for path in paths:
        assert admin.request("DELETE", path).status_code == 204


def test_a_link_with_stored_clicks_is_not_removed(admin: AdminClient, database_url: str) -> None:
    link_id = admin.link(admin.merchant())["link_id"]
    with connect(database_url) as database:
        database.execute("insert into click_days values ('2026-01-01', %s, 'head', 1)", [link_id])
    assert_problem(admin.request("DELETE", f"/v1/links/{link_id}"), 409, "in-use")


def test_if_match_of_another_revision_is_refused(admin: AdminClient) -> None:
    path = f"/v1/sources/{admin.created('sources', name='S')['source_id']}"
    for tag in ('"2"', 'W/"1"', '"x"', '"2", "3"', "nonsense"):
        for method, body in (("PATCH", {"name": "T"}), ("DELETE", None)):
            assert_problem(admin.request(method, path, body, If_Match=tag), 412, "revision-mismatch")
    assert admin.request("GET", path).json["name"] == "S"


def test_if_match_of_this_revision_is_heeded(admin: AdminClient) -> None:
    path = f"/v1/sources/{admin.created('sources', name='S')['source_id']}"
    for revision, tag in enumerate(('"1"', "*", '"7", "3"'), 1):
        changed = admin.request("PATCH", path, {"name": f"T{revision}"}, If_Match=tag)
        assert (changed.status_code, changed.headers["etag"]) == (200, f'"{revision + 1}"')


def test_lists_are_paged_by_cursor_and_miss_nothing(admin: AdminClient) -> None:
    made = [admin.created("sources", name=f"S{number}")["source_id"] for number in range(7)]
    seen: list[int] = []
    path: str | None = "/v1/sources?limit=3"
    sizes = []
    while path:
        page = admin.request("GET", path).json
        sizes.append(len(page["items"]))
        seen += [item["source_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        path = f"/v1/sources?limit=3&cursor={cursor}" if cursor else None
    assert (seen, sizes) == (made, [3, 3, 1])


def test_bad_list_parameters_name_their_field(admin: AdminClient) -> None:
    for value in ("0", "501", "-1", "x", "%D9%A3", "1e2", "99999"):
        assert_problem(admin.request("GET", f"/v1/links?limit={value}"), 400, "invalid-field", "limit")
    for value in ("x", "-1", "1%00", "99999999999999999999", "%27"):
        assert_problem(admin.request("GET", f"/v1/links?cursor={value}"), 400, "invalid-field", "cursor")
    assert_problem(admin.request("GET", "/v1/links?page=2"), 400, "unknown-field", "page")


def test_what_cannot_be_an_id_is_not_found(admin: AdminClient) -> None:
    for object_id in ("0", "-1", "x", "1.0", "99999999999999999999", "%00", "1%20", "%D9%A3", "1_0"):
        for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
            assert_problem(admin.request(method, f"/v1/links/{object_id}", body), 404, "not-found")
        assert_problem(admin.request("POST", f"/v1/merchants/{object_id}/tokens"), 404, "not-found")


def test_rotation_keeps_the_two_newest_tokens(admin: AdminClient, database_url: str) -> None:
    merchant = admin.merchant()
    path = f"/v1/merchants/{merchant['merchant_id']}"
    tokens = [merchant["postback_token"]]
    for _ in range(2):
        made = admin.request("POST", f"{path}/tokens")
        assert made.status_code == 201
        assert made.json["postback_token"] in made.json["postback_urls"]["get"]
        tokens.append(made.json["postback_token"])
    assert len(set(tokens)) == 3
    assert admin.request("GET", path).json["active_tokens"] == 2
    with connect(database_url) as database:
        stored = str(database.execute("select * from merchant_tokens").fetchall())
    assert not any(token in stored for token in tokens)


def test_hostile_text_is_stored_as_it_is(admin: AdminClient) -> None:
    for value in (
        "x' or 1=1; drop table links; --",
        '"; select pg_sleep(9)',
        "%s %(name)s {}",
        "\u202e\U0001f600",
        "\\'",
    ):
        link = admin.link(admin.merchant(name=value), name=value, sub3=value)
        shown = admin.request("GET", f"/v1/links/{link['link_id']}").json
        assert (shown["name"], shown["sub3"]) == (value, value)
