"""What counts as one address, and what a failed login counts against."""

from __future__ import annotations

import pytest

from admin_api.people.login_attempts import Attempt, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1", "fe80::/64"),
        ("", "0.0.0.0"),
        ("unix:", "0.0.0.0"),
    ],
)
def test_one_address_is_an_ipv4_address_or_the_64_of_an_ipv6_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_failure_from_a_known_address_counts_against_nothing_else() -> None:
    known, unknown = (Attempt("ada@example.com", "192.0.2.7", known) for known in (True, False))
    assert known.counted == [known.of_both]
    assert len(set(unknown.counted)) == 3
    assert Attempt("a", "b", known=False).of_both != Attempt("a\0b", "", known=False).of_both
