"""Tags and notes of links, and the filters of their list."""

from __future__ import annotations

from typing import Any

import pytest

from admin_client import AdminClient


@pytest.fixture
def links(admin: AdminClient) -> dict[str, dict[str, Any]]:
    """Return three links by name."""
    merchant = admin.merchant()
    profile = admin.profile()
    source = admin.created("sources", name="Newsletter")
    own = {"profile_id": profile["profile_id"], "source_id": source["source_id"], "tags": ["Summer", "casino"]}
    made = (
        admin.link(merchant, name="Summer sale", slug="Sale", **own),
        admin.link(merchant, name="100%_winter", tags=["winter"], active=False),
        admin.link(admin.merchant(name="Other"), name="Plain", destination_url="https://other.example/{sub1}"),
    )
    return {link["name"]: link for link in made}


def found(admin: AdminClient, **query: Any) -> list[str]:
    parameters = "&".join(f"{name}={value}" for name, value in query.items())
    result = admin.request("GET", f"/v1/links?{parameters}")
    assert result.status_code == 200, result.text
    return [link["name"] for link in result.json["items"]]


def test_tags_are_kept_in_small_letters_sorted_and_once(admin: AdminClient) -> None:
    link = admin.link(admin.merchant(), tags=["Zeta", "alpha", "ÄRGER", "zeta"], notes=" one\r\ntwo ")
    assert link["tags"] == ["alpha", "zeta", "ärger"]
    assert link["notes"] == "one\ntwo"
    changed = admin.request("PATCH", f"/v1/links/{link['link_id']}", {"tags": []})
    assert changed.json["tags"] == []
    assert changed.json["notes"] == "one\ntwo"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tags": ["a,b"]}, "tags[0]"),
        ({"tags": [" a"]}, "tags[0]"),
        ({"tags": [""]}, "tags[0]"),
        ({"tags": ["x" * 51]}, "tags[0]"),
        ({"tags": [f"t{n}" for n in range(51)]}, "tags"),
        ({"tags": None}, "tags"),
        ({"notes": "a\x00b"}, "notes"),
        ({"notes": "x" * 2001}, "notes"),
        ({"notes": "x\n" * 60 + "x"}, "notes"),
    ],
)
def test_a_tag_or_note_that_cannot_be_kept_is_refused(admin: AdminClient, fields: dict[str, Any], field: str) -> None:
    sent = {"merchant_id": admin.merchant()["merchant_id"], "destination_url": "https://m.example/"} | fields
    result = admin.request("POST", "/v1/links", sent)
    assert (result.status_code, result.json["field"]) == (400, field)


def test_every_filter_finds_its_links(admin: AdminClient, links: dict[str, dict[str, Any]]) -> None:
    sale, winter, plain = links.values()
    assert found(admin) == ["Summer sale", "100%_winter", "Plain"]
    assert found(admin, tag="SUMMER") == ["Summer sale"]
    assert found(admin, tag="casino,summer") == ["Summer sale"]
    assert found(admin, tag="casino,winter") == []
    assert found(admin, profile_id=sale["profile_id"]) == ["Summer sale"]
    assert found(admin, merchant_id=plain["merchant_id"]) == ["Plain"]
    assert found(admin, source_id=sale["source_id"]) == ["Summer sale"]
    assert found(admin, active="false") == ["100%_winter"]
    assert found(admin, q="sALE") == ["Summer sale"]
    assert found(admin, q="%25_w") == ["100%_winter"]
    assert found(admin, destination="other.example") == ["Plain"]
    assert found(admin, link_id=f"{sale['link_id']},{plain['link_id']}") == ["Summer sale", "Plain"]
    assert found(admin, used="true") == []
    assert len(found(admin, used="false", to="2100-01-01")) == 3
    assert found(admin, **{"from": "2100-01-01"}) == []
    assert winter["active"] is False


def test_a_filtered_list_is_read_page_by_page(admin: AdminClient) -> None:
    merchant = admin.merchant()
    made = [admin.link(merchant, name=f"n{n}", tags=["even" if n % 2 == 0 else "odd"])["name"] for n in range(7)]
    names: list[str] = []
    cursor = ""
    while True:
        page = admin.request("GET", f"/v1/links?tag=even&limit=2{cursor}").json
        names += [link["name"] for link in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert names == made[::2]


def test_a_filter_that_does_not_exist_is_refused_and_others_have_none(admin: AdminClient) -> None:
    assert admin.request("GET", "/v1/links?tags=a").json["field"] == "tags"
    assert admin.request("GET", "/v1/profiles?tag=a").json["field"] == "tag"
