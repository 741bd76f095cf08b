"""The rules of a link through the API: numbers, rotations, loops, and who may not be deleted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from falcon.testing import Result

from admin_api.runtime import Database
from admin_client import AdminClient
from documented import assert_as_documented

GOOD = "https://m.example/?c={click_id}"


def rules(*destinations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"rules": [{"destinations": list(destinations), **more}]}


def change(admin: AdminClient, link: dict[str, Any], **fields: Any) -> Result:
    return admin.request("PATCH", f"/v1/links/{link['link_id']}", fields)


def assert_refused(result: Result, field: str, code: str = "invalid-field", status: int = 400) -> None:
    assert (result.status_code, result.json["code"], result.json["field"]) == (status, code, field), result.text


@pytest.fixture
def merchant(admin: AdminClient) -> dict[str, Any]:
    return admin.merchant()


def test_rules_get_numbers_and_keep_them(admin: AdminClient, merchant: dict[str, Any]) -> None:
    sent = rules({"url": GOOD, "caps": [{"count": "clicks", "per": "day", "limit": 5}]}, name="Phones")
    link = admin.link(merchant, routing=sent)
    rule = link["routing"]["rules"][0]
    numbers = [rule["rule_id"], rule["destinations"][0]["destination_id"], rule["destinations"][0]["caps"][0]["cap_id"]]
    assert len(set(numbers)) == 3

    kept = change(admin, link, routing=link["routing"])
    assert kept.json == link
    more = link["routing"] | {"rules": [*link["routing"]["rules"], *rules({"url": GOOD})["rules"]]}
    changed = change(admin, link, routing=more).json["routing"]["rules"]
    assert changed[0] == rule
    assert changed[1]["rule_id"] not in numbers


def test_a_number_may_come_back_after_it_was_taken_away(admin: AdminClient, merchant: dict[str, Any]) -> None:
    link = admin.link(merchant, routing=rules({"url": GOOD}))
    assert change(admin, link, routing=None).json["routing"] is None
    assert change(admin, link, routing=link["routing"]).json["routing"] == link["routing"]


def test_a_number_of_another_link_or_twice_is_refused(admin: AdminClient, merchant: dict[str, Any]) -> None:
    one, other = (admin.link(merchant, routing=rules({"url": GOOD})) for _ in range(2))
    assert_refused(change(admin, other, routing=one["routing"]), "routing.rules[0].rule_id")
    twice = {"rules": one["routing"]["rules"] * 2}
    assert_refused(change(admin, one, routing=twice), "routing.rules[1].rule_id")
    new = {"merchant_id": merchant["merchant_id"], "destination_url": GOOD, "routing": one["routing"]}
    assert_refused(admin.request("POST", "/v1/links", new), "routing.rules[0].rule_id")


def test_a_rotation_is_made_changed_and_shown(admin: AdminClient, database: Database) -> None:
    rotation = admin.created("rotations", name="Offers", destinations=[{"url": GOOD, "weight": 3}, {"url": GOOD}])
    path = f"/v1/rotations/{rotation['rotation_id']}"
    assert_as_documented(admin, "GET /v1/rotations/{rotation_id}", admin.request("GET", path))
    numbers = [each["destination_id"] for each in rotation["destinations"]]
    assert len(set(numbers)) == 2

    database.execute("delete from outbox")
    destinations = [rotation["destinations"][1], {"url": "https://new.example/"}]
    changed = admin.request("PATCH", path, {"destinations": destinations})
    assert changed.headers["etag"] == '"2"'
    assert changed.json["destinations"][0]["destination_id"] == numbers[1]
    assert [row["keys"] for row in database.execute("select keys from outbox")] == [
        [f"r:{rotation['rotation_id']}"] * 2
    ]
    same = admin.request("PATCH", path, {"destinations": changed.json["destinations"]})
    assert same.headers["etag"] == '"2"'
    assert_refused(
        admin.request("PATCH", path, {"destinations": [{"url": GOOD, "destination_id": 999}]}),
        "destinations[0].destination_id",
    )


def test_a_rotation_can_be_gone_back_to(admin: AdminClient) -> None:
    rotation = admin.created("rotations", name="Offers", destinations=[{"url": GOOD}])
    path = f"/v1/rotations/{rotation['rotation_id']}"
    admin.request("PATCH", path, {"destinations": [{"url": "https://new.example/"}], "assignment": "random"})
    newest = admin.request("GET", f"{path}/versions").json["items"][0]
    assert {each["field"].partition("[")[0] for each in newest["changes"]} == {"assignment", "destinations"}
    back = admin.request("POST", f"{path}/rollback", {"revision": 1}, If_Match='"2"')
    assert (back.status_code, back.json | {"updated_at": ""}) == (200, rotation | {"updated_at": ""})


def test_a_rotation_that_a_link_uses_is_kept(admin: AdminClient, merchant: dict[str, Any]) -> None:
    rotation = admin.created("rotations", name="Offers", destinations=[{"url": GOOD}])
    path = f"/v1/rotations/{rotation['rotation_id']}"
    link = admin.link(merchant, routing=rules({"rotation_id": rotation["rotation_id"]}))
    refused = admin.request("DELETE", path)
    assert (refused.status_code, refused.json["code"]) == (409, "in-use")
    change(admin, link, routing=None)
    assert admin.request("DELETE", path).status_code == 204
    back = admin.request("POST", f"/v1/links/{link['link_id']}/rollback", {"revision": 1})
    assert_refused(back, "routing.rules[0].destinations[0].rotation_id", "rollback-refused", 409)


def test_a_rotation_that_does_not_exist_is_refused(admin: AdminClient, merchant: dict[str, Any]) -> None:
    link = admin.link(merchant)
    sent = rules({"url": GOOD}, {"rotation_id": 77})
    assert_refused(change(admin, link, routing=sent), "routing.rules[0].destinations[1].rotation_id")


def test_a_rotation_deleted_while_a_link_is_saved_stays_or_the_link_is_refused(
    admin: AdminClient, merchant: dict[str, Any], database_url: str
) -> None:
    rotation = admin.created("rotations", name="Offers", destinations=[{"url": GOOD}])
    link = admin.link(merchant)
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(1) as threads:
        other.execute("delete from rotations")
        saving = threads.submit(change, admin, link, routing=rules({"rotation_id": rotation["rotation_id"]}))
        with psycopg.connect(database_url, autocommit=True) as seen:
            waiting = (
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            )
            while not seen.execute(waiting).fetchone()[0] and not saving.done():  # type: ignore[index]
                pass
        other.commit()
        assert_refused(saving.result(), "routing")


class Places:
    """A profile of the test's, and links on it."""

    def __init__(self, admin: AdminClient, merchant: dict[str, Any]) -> None:
        self.admin, self.merchant = admin, merchant
        self.profile = admin.profile("track.example.com")

    def link(self, slug: str, **fields: Any) -> dict[str, Any]:
        return self.admin.link(self.merchant, slug=slug, profile_id=self.profile["profile_id"], **fields)

    def refused(self, link: dict[str, Any], field: str, **fields: Any) -> str:
        result = change(self.admin, link, **fields)
        assert_refused(result, field, "loop")
        return str(result.json["detail"])


@pytest.fixture
def places(admin: AdminClient, merchant: dict[str, Any]) -> Places:
    return Places(admin, merchant)


OWN = "https://track.example.com/click/a"


@pytest.mark.parametrize(
    "url",
    [
        OWN,
        "http://TRACK.example.com./route/a?x=1#y",
        "https://track.example.com:8443/click/%61",
        "https://track.example.com/click/a/?sub1={sub1}",
    ],
)
def test_a_link_that_leads_to_itself_is_refused_wherever_it_says_so(places: Places, url: str) -> None:
    link = places.link("a")
    places.refused(link, "destination_url", destination_url=url)
    places.refused(link, "routing.rules[0].destinations[1].url", routing=rules({"url": GOOD}, {"url": url}))
    places.refused(link, "routing.rules[0].destinations[0].url", routing=rules({"url": url, "active": False}))
    places.refused(link, "routing.rules[0].overflow_url", routing=rules({"url": GOOD}, overflow_url=url))
    places.refused(link, "routing.countries.DE", routing={"countries": {"AT": GOOD, "DE": url}})
    places.refused(link, "routing.overflow_url", routing={"overflow_url": url})


def test_a_url_that_only_looks_like_ours_is_no_loop(places: Places) -> None:
    link = places.link("a")
    for url in (
        "https://elsewhere.example/click/a",
        "https://track.example.com/click/other",
        "https://track.example.com/offers/a",
        "https://track.example.com.evil.example/click/a",
        "https://[::1]/click/a",
    ):
        assert change(places.admin, link, destination_url=url).status_code == 200, url


def test_a_loop_through_other_links_names_the_way(places: Places) -> None:
    a = places.link("a")
    b = places.link("b", destination_url=OWN)
    places.link("c", routing=rules({"url": "https://track.example.com/click/b"}))
    said = places.refused(a, "routing.countries.FR", routing={"countries": {"FR": "https://track.example.com/route/c"}})
    assert f"link {b['link_id']} “b”" in said


def test_a_link_that_takes_the_slug_others_lead_to_closes_a_loop_too(places: Places) -> None:
    places.link("b", destination_url=OWN)
    other = places.link("z", destination_url="https://track.example.com/click/b")
    places.refused(other, "destination_url", slug="a")
    new = {"merchant_id": places.merchant["merchant_id"], "profile_id": places.profile["profile_id"], "slug": "a"}
    result = places.admin.request("POST", "/v1/links", new | {"destination_url": "https://track.example.com/click/b"})
    assert_refused(result, "destination_url", "loop")


def test_a_link_without_a_profile_is_found_on_every_tracking_domain(places: Places) -> None:
    link = places.admin.link(places.merchant, slug="everywhere")
    places.refused(link, "destination_url", destination_url="https://track.example.com/click/everywhere")


def test_a_loop_through_a_rotation_is_refused_on_both_sides(places: Places) -> None:
    admin = places.admin
    leading = admin.created("rotations", name="Back", destinations=[{"url": GOOD}, {"url": OWN}])
    a = places.link("a")
    places.refused(
        a, "routing.rules[0].destinations[0].rotation_id", routing=rules({"rotation_id": leading["rotation_id"]})
    )

    harmless = admin.created("rotations", name="Out", destinations=[{"url": GOOD}])
    assert change(admin, a, routing=rules({"rotation_id": harmless["rotation_id"]})).status_code == 200
    path = f"/v1/rotations/{harmless['rotation_id']}"
    result = admin.request("PATCH", path, {"destinations": [{"url": GOOD}, {"url": OWN}]})
    assert_refused(result, "destinations[1].url", "loop")


def test_a_fallback_that_leads_to_a_link_of_its_own_profile_is_refused(places: Places) -> None:
    admin = places.admin
    places.link("a")
    path = f"/v1/profiles/{places.profile['profile_id']}"
    assert_refused(admin.request("PATCH", path, {"fallback_url": OWN}), "fallback_url", "loop")
    second = admin.profile("second.example.com")
    beyond = admin.link(places.merchant, slug="beyond", profile_id=second["profile_id"])
    assert admin.request("PATCH", path, {"fallback_url": "https://second.example.com/click/beyond"}).status_code == 200
    places.refused(beyond, "destination_url", destination_url=OWN)


def test_two_links_that_close_a_loop_at_once_are_not_both_saved(places: Places, database_url: str) -> None:
    a, b = places.link("a"), places.link("b")
    urls = {"a": "https://track.example.com/click/b", "b": OWN}
    with psycopg.connect(database_url) as blocker, ThreadPoolExecutor(2) as threads:
        blocker.execute("lock table outbox in exclusive mode")
        saving = [threads.submit(change, places.admin, link, destination_url=urls[link["slug"]]) for link in (a, b)]
        blocker.rollback()
        assert sorted(each.result().status_code for each in saving) == [200, 400]


def test_a_long_chain_without_a_loop_is_followed_to_its_end(places: Places) -> None:
    last = places.link("n0")
    for number in range(1, 30):
        places.link(f"n{number}", destination_url=f"https://track.example.com/click/n{number - 1}")
    places.refused(last, "destination_url", destination_url="https://track.example.com/click/n29")
