"""A draft of rules tried on stored clicks."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple

import pytest

from admin_api.dry_run import run
from admin_api.runtime import Database
from admin_client import AdminClient
from documented import assert_as_documented
from tracking.routing import sticky_choice, visitor_seed

OWN = "https://own.example/"
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
# Clicks of one day in one partition: `n` from 0, a minute apart, a quarter each from DE, AT, FR and nowhere known.
CLICKS = """
    insert into clicks (click_id, clicked_at, link_id, profile_id, config_version, class, method, host, slug, query,
        parameters, user_agent, referrer, accept_language, location, spool_id, spool_number, country, device, sub1, ip)
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7'
            || lpad(to_hex(%(link_id)s::integer), 3, '0') || '8' || lpad(to_hex(n), 15, '0'))::uuid,
        at, %(link_id)s, %(profile_id)s, 1, %(class)s, 'GET', 'track.example.com', 'a', '',
        jsonb_build_object('utm_source', 'u' || mod(n, 3)), 'agent', '', '', 'https://own.example/', 'spool', n,
        (array['DE', 'AT', 'FR', null])[mod(n, 4) + 1], (array['phone', 'desktop'])[mod(n, 2) + 1], 's' || mod(n, 5),
        %(network)s::inet + n
    from generate_series(0, %(count)s - 1) as n,
        lateral (select %(start)s::timestamptz + n * interval '1 ms' as at) as made
"""
PARTITION = (
    "select make_click_partition(%s, '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff')"
)


def store_clicks(database: Database, link: dict[str, Any], count: int, **more: Any) -> None:
    database.execute(PARTITION, [NOON.date()])
    values = {"profile_id": 1, "class": "valid", "start": NOON, "network": None}
    database.execute(CLICKS, values | {"link_id": link["link_id"], "count": count} | more)


def convert(database: Database, link: dict[str, Any], currency: str, minor: int, status: str, where: str) -> None:
    database.execute(
        "insert into conversions (click_id, merchant_id, link_id, event, status, payout_minor, currency, authenticated,"
        " clicked_at, received_at) select click_id, 1, link_id, 'ftd', %s, %s, %s, true, clicked_at, clicked_at"
        f" from clicks where link_id = %s and {where}",
        [status, minor, currency, link["link_id"]],
    )


def run_dry(admin: AdminClient, link: dict[str, Any], **body: Any) -> dict[str, Any]:
    result = admin.request("POST", f"/v1/links/{link['link_id']}/dry-run", body)
    assert result.status_code == 200, result.text
    assert_as_documented(admin, "POST /v1/links/{link_id}/dry-run", result)
    answer: dict[str, Any] = result.json
    return answer


class Option(NamedTuple):
    """A destination to choose."""

    number: int
    weight: int


def shown(rows: list[dict[str, Any]], name: str = "field") -> dict[str, tuple[float, float]]:
    return {row[name]: (row["present"], row["draft"]) for row in rows}


GERMANS = {"conditions": [{"field": "country", "values": ["DE", "AT"]}]}


@pytest.fixture
def link(admin: AdminClient) -> dict[str, Any]:
    return admin.link(admin.merchant(), destination_url=OWN)


def test_a_draft_is_compared_with_the_present_rules_by_rule_destination_country_and_revenue(
    admin: AdminClient, database: Database, link: dict[str, Any]
) -> None:
    store_clicks(database, link, 400)
    convert(database, link, "EUR", 1000, "approved", "country = 'DE' and spool_number < 40")
    convert(database, link, "EUR", 7, "rejected", "country = 'DE'")
    convert(database, link, "USD", 500, "pending", "country = 'FR' and spool_number < 40")
    destinations = [{"url": "https://a.example/", "weight": 3}, {"url": "https://b.example/", "weight": 1}]
    answer = run_dry(admin, link, routing={"rules": [GERMANS | {"destinations": destinations}]})
    assert (answer["clicks"], answer["changed"]) == (400, 200)
    assert shown(answer["rules"]) == {"destination_url": (400, 200), "routing.rules[0]": (0, 200)}
    assert shown(answer["destinations"], "url") == {
        OWN: (400, 200),
        "https://a.example/": (0, 150),
        "https://b.example/": (0, 50),
    }
    assert {row["country"]: (row["clicks"], row["changed"]) for row in answer["countries"]} == {
        "DE": (100, 100),
        "AT": (100, 100),
        "FR": (100, 0),
        None: (100, 0),
    }
    assert answer["revenue"] == [
        {"currency": "EUR", "conversions": 10, "revenue_minor": 10_000, "changed_minor": 10_000},
        {"currency": "USD", "conversions": 10, "revenue_minor": 5000, "changed_minor": 0},
    ]
    own = next(row for row in answer["destinations"] if row["url"] == OWN)
    assert own["revenue"] == [
        {"currency": "EUR", "present_minor": 10_000, "draft_minor": 0},
        {"currency": "USD", "present_minor": 5000, "draft_minor": 5000},
    ]
    assert any("Caps are not replayed" in note for note in answer["notes"])


def test_the_present_rules_as_a_draft_change_nothing(
    admin: AdminClient, database: Database, link: dict[str, Any]
) -> None:
    rotation = admin.created("rotations", name="R", destinations=[{"url": "https://r1.example/"}, {"url": OWN}])
    rule = GERMANS | {"destinations": [{"url": OWN}, {"rotation_id": rotation["rotation_id"], "weight": 3}]}
    changed = admin.request(
        "PATCH",
        f"/v1/links/{link['link_id']}",
        {"routing": {"rules": [rule], "countries": {"FR": "https://fr.example/"}}},
    ).json
    store_clicks(database, link, 40)
    answer = run_dry(admin, link, routing=changed["routing"])
    assert answer["changed"] == 0
    assert {row["field"]: row["present"] for row in answer["destinations"]} == {
        "routing.rules[0].destinations[0]": 5,
        f"rotation {rotation['rotation_id']} destinations[0]": 7.5,
        f"rotation {rotation['rotation_id']} destinations[1]": 7.5,
        "routing.countries.FR": 10,
        "destination_url": 10,
    }
    without = run_dry(admin, link, routing=None)
    assert without["changed"] == 30


def test_only_the_newest_clicks_of_the_time_asked_for_are_tried(
    admin: AdminClient, database: Database, link: dict[str, Any]
) -> None:
    store_clicks(database, link, 100)
    store_clicks(database, link, 10, start="2026-11-02T13:00:00Z", **{"class": "bot"})
    newest = run_dry(admin, link, routing=None, clicks=30)
    assert (newest["clicks"], newest["newest_at"]) == (30, "2026-11-02T12:00:00.099000Z")
    times = {"from": "2026-11-02T12:00:00.010Z", "to": "2026-11-02T12:00:00.020Z"}
    assert run_dry(admin, link, routing=None, **times)["clicks"] == 10
    assert run_dry(admin, link, routing=None, to="2026-11-01")["clicks"] == 0


def test_the_clicks_of_a_whole_profile_are_tried_each_against_its_own_links_rules(
    admin: AdminClient, database: Database
) -> None:
    merchant, profile = admin.merchant(), admin.profile()
    one, other = (
        admin.link(merchant, profile_id=profile["profile_id"], destination_url=url, routing=routing)
        for url, routing in ((OWN, None), ("https://other.example/", {"countries": {"DE": "https://de.example/"}}))
    )
    elsewhere = admin.link(merchant)
    for each in (one, other):
        store_clicks(database, each, 8, profile_id=profile["profile_id"])
    store_clicks(database, elsewhere, 8, profile_id=99)
    draft = {"countries": {"DE": "https://de.example/"}}
    answer = run_dry(admin, one, routing=draft, whole_profile=True)
    assert (answer["clicks"], answer["changed"]) == (16, 2)
    assert shown(answer["destinations"], "url") == {
        OWN: (8, 6),
        "https://de.example/": (2, 4),
        "https://other.example/": (6, 6),
    }


def test_a_draft_is_refused_as_it_would_be_when_saved(admin: AdminClient, link: dict[str, Any]) -> None:
    def refused(routing: Any) -> str:
        result = admin.request("POST", f"/v1/links/{link['link_id']}/dry-run", {"routing": routing})
        assert result.status_code == 400
        return str(result.json["field"])

    assert (
        refused({"rules": [{"destinations": [{"rotation_id": 5}]}]}) == "routing.rules[0].destinations[0].rotation_id"
    )
    assert refused({"rules": [{"rule_id": 5, "destinations": [{"url": OWN}]}]}) == "routing.rules[0].rule_id"
    assert refused({"countries": {"DE": "ftp://a/"}}) == "routing.countries.DE"
    assert admin.request("POST", "/v1/links/77/dry-run", {}).status_code == 404


def test_too_much_is_said_clearly(
    admin: AdminClient, database: Database, link: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store_clicks(database, link, 2000)
    monkeypatch.setattr(run, "DEADLINE_S", 0.0)
    result = admin.request("POST", f"/v1/links/{link['link_id']}/dry-run", {"routing": None})
    assert (result.status_code, result.json["code"]) == (409, "too-much")
    assert "given up after 1000 clicks" in result.json["detail"]
    assert admin.request("GET", f"/v1/links/{link['link_id']}").status_code == 200


def test_a_sticky_choice_is_made_again_exactly_where_the_address_is_stored_whole(
    admin: AdminClient, database: Database, link: dict[str, Any]
) -> None:
    halves = {"rules": [{"destinations": [{"url": "https://a.example/"}, {"url": "https://b.example/"}]}]}
    path = f"/v1/links/{link['link_id']}"
    rule = admin.request("PATCH", path, {"routing": halves}).json["routing"]["rules"][0]
    store_clicks(database, link, 300, network="10.1.0.0")
    options = [Option(each["destination_id"], 1) for each in rule["destinations"]]
    chosen = [
        sticky_choice(options, visitor_seed(str(ip_address("10.1.0.0") + number), "agent", link["link_id"]))
        for number in range(300)
    ]
    expected = {f"routing.rules[0].destinations[{at}]": chosen.count(option) for at, option in enumerate(options)}
    draft = {"rules": [rule | {"destinations": [each | {"caps": []} for each in reversed(rule["destinations"])]}]}
    answer = run_dry(admin, link, routing=draft)
    assert {row["field"]: row["present"] for row in answer["destinations"]} == expected
    assert (answer["changed"], len(answer["notes"])) == (0, 2)

    truncated = admin.link(admin.merchant(), destination_url=OWN, routing=halves)
    store_clicks(database, truncated, 300, network="10.1.0.0/24")
    answer = run_dry(admin, truncated, routing=None)
    assert sorted(row["present"] for row in answer["destinations"]) == [0, 150, 150]
    assert answer["notes"][-1].startswith("300 clicks count with the shares")


CONDITIONS = [
    ({"field": "region", "values": ["bavaria"]}, "region", "Bavaria"),
    ({"field": "asn", "values": [3320]}, "asn", 3320),
    ({"field": "isp", "values": ["Telekom"]}, "isp", "telekom"),
    ({"field": "connection", "values": ["Cellular"]}, "connection", "Cellular"),
    ({"field": "os", "values": ["iOS"]}, "os", "iOS"),
    ({"field": "browser", "values": ["Chrome"]}, "browser", "Chrome"),
    ({"field": "language", "values": ["de"]}, "language", "de"),
    ({"field": "referrer", "values": ["example.org"]}, "referrer_host", "www.example.org"),
    ({"field": "sub7", "match": "begins", "values": ["sum"]}, "sub7", "summer"),
    ({"field": "visitor", "values": ["new"]}, "is_unique", True),
    ({"field": "visitor", "values": ["returning"]}, "is_unique", False),
]


@pytest.mark.parametrize(("condition", "column", "value"), CONDITIONS, ids=lambda each: str(each)[:40])
def test_a_condition_looks_at_what_is_stored(
    admin: AdminClient, database: Database, link: dict[str, Any], condition: Any, column: str, value: Any
) -> None:
    store_clicks(database, link, 20)
    draft = {"rules": [{"conditions": [condition], "destinations": [{"url": "https://a.example/"}]}]}
    database.execute(f"update clicks set is_unique = {'not ' if value is True else ''}true")
    assert run_dry(admin, link, routing=draft)["changed"] == 0
    database.execute(f"update clicks set {column} = %s where spool_number < 5", [value])
    assert run_dry(admin, link, routing=draft)["changed"] == 5
    negated = {"rules": [{"conditions": [condition | {"negate": True}], "destinations": [{"url": OWN + "x"}]}]}
    assert run_dry(admin, link, routing=negated)["changed"] == 15


@pytest.mark.parametrize(
    ("condition", "changed"),
    [
        ({"field": "country", "values": ["DE"], "negate": True}, 15),
        ({"field": "device", "values": ["phone"]}, 10),
        ({"field": "parameter", "name": "utm_source", "values": ["u1"]}, 7),
        ({"field": "parameter", "name": "gclid", "match": "present"}, 0),
        ({"field": "time", "weekdays": [1], "hours": [[13, 14]], "time_zone": "Europe/Berlin"}, 20),
        ({"field": "time", "hours": [[13, 14]]}, 0),
        ({"field": "source", "values": ["news"]}, 20),
        ({"field": "bot"}, 0),
        ({"field": "class", "values": ["valid"]}, 20),
    ],
    ids=lambda each: str(each)[:50],
)
def test_a_condition_is_decided_as_at_the_edge(
    admin: AdminClient, database: Database, link: dict[str, Any], condition: Any, changed: int
) -> None:
    source = admin.created("sources", name="News")
    admin.request("PATCH", f"/v1/links/{link['link_id']}", {"source_id": source["source_id"]})
    store_clicks(database, link, 20)
    draft = {"rules": [{"conditions": [condition], "destinations": [{"url": "https://a.example/"}]}]}
    assert run_dry(admin, link, routing=draft)["changed"] == changed


def test_requests_of_every_class_are_tried_only_when_asked_for(
    admin: AdminClient, database: Database, link: dict[str, Any]
) -> None:
    store_clicks(database, link, 5)
    store_clicks(database, link, 7, start="2026-11-02T13:00:00Z", **{"class": "bot"})
    draft = {"rules": [{"conditions": [{"field": "bot"}], "destinations": [{"url": "https://bots.example/"}]}]}
    usual = run_dry(admin, link, routing=draft)
    assert (usual["clicks"], usual["changed"]) == (5, 0)
    every = run_dry(admin, link, routing=draft, every_class=True)
    assert (every["clicks"], every["changed"]) == (12, 7)
