"""What addresses are: in MaxMind's test databases, in the built-in table, and in entries that are not as expected."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.geo import GeoDatabases, Place
from config.geo.place import Kind, kind_of, place_of
from config.settings import GeoSettings
from real_data import REAL_DATA, needs_real_data

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    [
        "country",
        "registered_country",
        "city",
        "subdivisions",
        "traits",
        "isp",
        "autonomous_system_number",
        "is_anonymous",
    ]
)


@pytest.fixture(scope="module")
def maxminds(tmp_path_factory: pytest.TempPathFactory) -> GeoDatabases:
    """MaxMind's test databases, all of them, as an operator would put them into GEOIP_DIR."""
    home = tmp_path_factory.mktemp("geo")
    shutil.copytree(REAL_DATA / "geo", home / "geoip")
    databases = GeoDatabases(GeoSettings(home / "geoip", None, home / "copies"))
    databases.refresh()
    return databases


@needs_real_data
@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("2.125.160.216", Place("GB", "England", "Boxford", connection="Cable/DSL")),
        ("81.2.69.142", Place("GB", "England", "London", anonymous="tor")),
        ("::ffff:81.2.69.142", Place("GB", "England", "London", anonymous="tor")),
        ("89.160.20.112", Place("SE", "Östergötland County", "Linköping", 29518, "Bredband2 AB")),
        ("216.160.83.56", Place("US", "Washington", "Milton", 209, "Century Link", "Corporate")),
        ("175.16.199.1", Place("CN", "Jilin Sheng", "Changchun", connection="Cable/DSL")),
        ("2001:218::1", Place("JP")),
        ("1.128.0.0", Place(asn=1221, isp="Telstra Internet")),
        ("1.0.2.1", Place(connection="Cable/DSL")),
        ("1.2.0.0", Place(anonymous="vpn")),
        ("127.0.0.1", Place()),
        ("192.0.2.7", Place()),
        ("nonsense", Place()),
        ("300.1.1.1", Place()),
        ("", Place()),
    ],
)
def test_an_address_of_the_test_databases_is_where_they_say(maxminds: GeoDatabases, address: str, place: Place) -> None:
    assert maxminds.lookup(address) == place
    assert maxminds.country(address) == place.country


@needs_real_data
def test_all_kinds_are_in_use_and_countries_come_from_the_city_database(maxminds: GeoDatabases) -> None:
    assert set(maxminds.in_use()) == {"city", "isp", "asn", "connection", "anonymous"}
    assert min(maxminds.in_use().values()) > 1_700_000_000


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("193.0.6.139", "NL"),
        ("133.11.0.1", "JP"),
        ("200.160.2.3", "BR"),
        ("8.8.8.8", "US"),
        ("::ffff:8.8.8.8", "US"),
        ("5.9.0.1", "DE"),
        ("41.0.0.1", "ZA"),
        ("49.44.0.1", "IN"),
        ("81.2.69.142", "GB"),
        ("2001:67c:2e8:22::c100:68b", "NL"),
        ("2405:200::1", "IN"),
        ("10.1.2.3", ""),
        ("192.0.2.7", ""),
        ("fe80::1", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_without_files_the_built_in_table_knows_countries_alone(address: str, country: str) -> None:
    assert GeoDatabases().lookup(address) == Place(country=country)


@given(st.text(max_size=80))
def test_a_lookup_of_any_text_answers(text: str) -> None:
    country = GeoDatabases().country(text)
    assert country == "" or (len(country) == 2 and country.isupper())


@given(st.dictionaries(st.sampled_from(Kind), st.dictionaries(_NAMES | st.text(), _JSON, max_size=4)))
def test_any_entries_make_a_place_that_can_be_stored(entries: dict[Kind, dict[str, Any]]) -> None:
    place = place_of(entries)
    assert all("\x00" not in value and len(value) <= 128 for value in place if isinstance(value, str))
    assert 0 <= place.asn < 2**32


def test_the_enterprise_database_has_it_all_in_one_entry() -> None:
    traits = {"autonomous_system_number": 7, "isp": "I", "connection_type": "Cellular", "is_anonymous_vpn": True}
    entry = {"country": {"iso_code": "SE"}, "subdivisions": [{"iso_code": "AB"}], "traits": traits}
    assert place_of({Kind.CITY: entry}) == Place("SE", "AB", "", 7, "I", "Cellular", "vpn")


@pytest.mark.parametrize(
    ("database_type", "kind"),
    [
        ("GeoLite2-City", Kind.CITY),
        ("GeoIP2-Enterprise", Kind.CITY),
        ("DBIP-City-Lite", Kind.CITY),
        ("GeoLite2-Country", Kind.COUNTRY),
        ("DBIP-ASN-Lite (compat=GeoLite2-ASN)", Kind.ASN),
        ("GeoIP2-ISP", Kind.ISP),
        ("GeoIP2-Connection-Type", Kind.CONNECTION),
        ("GeoIP2-Anonymous-IP", Kind.ANONYMOUS),
        ("GeoIP2-Domain", None),
        ("", None),
    ],
)
def test_the_type_of_a_database_tells_its_kind(database_type: str, kind: Kind | None) -> None:
    assert kind_of(database_type) is kind
