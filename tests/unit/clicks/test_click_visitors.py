"""What is stored with a click of its visitor and of what it says: place, device, language, referring site, cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import time

import orjson
import pytest

import worker_cases as cases
from config.geo import GeoDatabases, Place
from config.settings import GeoSettings
from config.tables import clicks
from geo_files import country, write_database
from tracking.spool import encode_click
from tracking.visitors import visitor_key, visitor_number
from worker.clicks import visitors as remembered
from worker.clicks.rows import click_row
from worker.clicks.visitors import Visitors
from worker.spool import Rules

KEY = visitor_key(cases.KEY)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5"
    " Mobile/15E148 Safari/604.1"
)
GOOGLE = "8.8.8.8"


class Counting(GeoDatabases):
    """The built-in table, and which addresses were looked up in it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def lookup(self, address: str) -> Place:
        self.asked.append(address)
        return super().lookup(address)


@pytest.fixture
def visitors() -> Visitors:
    return Visitors(GeoDatabases(), KEY)


def stored(visitors: Visitors, **changes: object) -> dict[str, str | None]:
    """Return the columns of a click as PostgreSQL gets them, without escapes."""
    payload = encode_click(cases.click(**changes)).decode()
    line = click_row(payload, cases.SPOOL, 1, Rules([cases.KEY], int(time() * 1000)), visitors).line
    texts = (None if text == "\\N" else text for text in line.rstrip("\n").split("\t"))
    return dict(zip(clicks.WRITTEN, texts, strict=True))


def test_a_click_has_the_place_device_language_and_referring_site_of_its_visitor(visitors: Visitors) -> None:
    row = stored(
        visitors,
        ip=GOOGLE,
        user_agent=IPHONE,
        accept_language="pt-BR,pt;q=0.9",
        referrer="https://News.example:8443/a?b",
    )
    assert {name: row[name] for name in (*clicks.PLACE, *clicks.DEVICE, "language", "referrer_host")} == {
        "country": "US",
        **dict.fromkeys(("region", "city", "asn", "isp", "connection")),
        "device": "phone",
        "os": "iOS",
        "browser": "Mobile Safari",
        "language": "pt",
        "referrer_host": "news.example",
    }


def test_what_is_not_known_is_null(visitors: Visitors) -> None:
    row = stored(visitors, ip="", user_agent="", accept_language="", referrer="", query="")
    unknown = ("ip", *clicks.PLACE, "os", "browser", "language", "referrer_host", *clicks.STATED, "cuts", "visitor")
    assert [row[name] for name in unknown] == [None] * len(unknown)
    assert (row["device"], row["is_unique"]) == ("other", "f")


@pytest.mark.parametrize(
    ("query", "campaign", "external_id", "cost"),
    [
        ("utm_campaign=spring&cid=c-1&cost=0.0125", "spring", "c-1", "0.0125"),
        ("cost=.5", None, None, "0.5"),
        ("cost=0,50", None, None, "0.50"),
        ("cost=999999999.999999999", None, None, "999999999.999999999"),
        ("cost=0.000000001", None, None, "0.000000001"),
        *((f"cost={junk}", None, None, None) for junk in ("", "NaN", "1e9", "-1", "{cost}", "1.2.3", "1" * 70_000)),
        ("campaign=%00%5C%09", "�\\\\\\t", None, None),
    ],
)
def test_campaign_external_id_and_cost_are_exactly_what_the_click_says(
    visitors: Visitors, query: str, campaign: str | None, external_id: str | None, cost: str | None
) -> None:
    row = stored(visitors, query=query)
    assert (row["campaign"], row["external_id"], row["cost"]) == (campaign, external_id, cost)


def test_a_value_that_is_too_long_is_cut_and_its_length_is_kept(visitors: Visitors) -> None:
    row = stored(visitors, query=f"sub1={'s' * 501}&other=x&{'%00' * 2}={'y' * 5000}")
    assert row["sub1"] == "s" * 500
    assert orjson.loads(row["cuts"] or "") == {"sub1": 501, "��": 5000}
    assert orjson.loads(row["parameters"] or "")["sub1"] == "s" * 500
    assert len(row["query"] or "") > 5500


@pytest.mark.parametrize(("method", "unique"), [("GET", "t"), ("HEAD", "f")])
def test_a_valid_click_is_unique_until_it_is_settled_and_others_never(
    visitors: Visitors, method: str, unique: str
) -> None:
    assert stored(visitors, method=method)["is_unique"] == unique


def test_the_visitor_is_the_number_of_address_and_agent(visitors: Visitors) -> None:
    row = stored(visitors, ip="2001:DB8::1", user_agent=IPHONE)
    assert row["visitor"] == str(visitor_number("2001:db8::1", IPHONE, KEY))
    assert stored(visitors, user_agent="\xff")["visitor"] == str(visitor_number("192.0.2.7", "\xff", KEY))


def test_an_address_of_a_local_network_is_no_visitor(visitors: Visitors) -> None:
    for ip in ("127.0.0.1", "::1", "10.0.0.9"):
        assert stored(visitors, ip=ip)["visitor"] is None


def test_an_address_is_looked_up_once_until_other_databases_are_in_use(tmp_path: Path) -> None:
    geo = GeoDatabases(GeoSettings(tmp_path / "geo", None, tmp_path / "copies"))
    visitors = Visitors(geo, KEY)
    assert stored(visitors, ip=GOOGLE)["country"] == "US"
    write_database(tmp_path / "geo" / "c.mmdb", country("SE"), "GeoLite2-Country")
    geo.refresh()
    visitors.renew()
    assert stored(visitors, ip=GOOGLE)["country"] == "SE"
    remembered_before = dict(visitors.addresses)
    geo.refresh()
    visitors.renew()
    assert visitors.addresses == remembered_before


def test_what_is_known_of_an_address_is_remembered() -> None:
    geo = Counting()
    visitors = Visitors(geo, KEY)
    for _ in range(3):
        stored(visitors, ip=GOOGLE)
    assert geo.asked == [GOOGLE]


@pytest.mark.parametrize(
    "kind", [lambda v: v.addresses, lambda v: v.agents, lambda v: v.languages, lambda v: v.referrers]
)
def test_no_visitor_can_fill_the_memory(
    visitors: Visitors, kind: Callable[[Visitors], dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "REMEMBERED", 10)
    facts = kind(visitors)
    for number in range(100):
        assert facts[f"2001:db8::{number:x}"]
        assert len(facts) <= 10
    before = len(facts)
    if facts is not visitors.addresses:
        assert facts["x" * 65_536]
    assert len(facts) == before
