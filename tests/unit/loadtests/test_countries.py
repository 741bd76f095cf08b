"""The comparison of packages that know countries measures what is installed, and says who agrees with whom."""

from __future__ import annotations

from loadtests.countries.__main__ import KNOWN, ipv4_addresses, ipv6_addresses, measure, table_of


def test_the_installed_package_is_measured_on_every_address() -> None:
    found = measure("iptocc")
    assert (len(found["ipv4"]), len(found["ipv6"]), len(found["known"])) == (20_000, 2_000, len(KNOWN))
    assert found["known"][0] == "US"
    assert all(each == "" or (len(each) == 2 and each.isupper()) for each in found["ipv4"])


def test_agreement_counts_what_both_packages_know() -> None:
    reference = {"ipv4": ["DE", "FR", ""], "ipv6": ["DE", "DE", "DE"]}
    other = {"ipv4": ["DE", "US", "AT"], "ipv6": ["", "", ""]}
    figures = {"start_ms": 1.0, "memory_mb": 2.0, "ipv4_us": 3.0, "ipv6_us": 4.0, "known": list(KNOWN.values())}
    table = table_of({"iptocc": {**figures, **other}, "geoip2fast": {**figures, **reference}})
    assert [list(column.cells) for column in table.columns[5:]] == [
        ["50.0%", "100.0%"],
        ["none", "100.0%"],
        [str(len(KNOWN)), str(len(KNOWN))],
    ]


def test_the_same_addresses_are_asked_every_time() -> None:
    assert ipv4_addresses() == ipv4_addresses()
    assert ipv6_addresses() == ipv6_addresses()
