"""Codes of the second factor: RFC 6238's own, one step of skew, and recovery codes however they are typed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from admin_api.people.second_factor import hash_code, make_secret, otpauth_uri, step_of

# The secret of RFC 6238, appendix B, and the last six digits of its codes.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (2000000000, "279037")]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert step_of(SECRET, code, at(seconds)) == seconds // 30


def test_a_clock_may_be_one_step_off_and_no_more() -> None:
    now = at(1_800_000_015)
    totp = pyotp.TOTP(SECRET)
    taken = [step_of(SECRET, totp.at(now + timedelta(seconds=off)), now) for off in (-60, -30, 0, 30, 60)]
    assert taken == [None, 59_999_999, 60_000_000, 60_000_001, None]


def test_an_app_reads_secret_and_names_from_the_uri() -> None:
    secret = make_secret()
    uri = urlsplit(otpauth_uri(secret, "ada+x@example.com"))
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Waypost:ada%2Bx%40example.com")
    assert parse_qs(uri.query) == {"secret": [secret], "issuer": ["Waypost"]}


def test_a_recovery_code_is_the_same_with_or_without_hyphens_and_in_capitals() -> None:
    assert len({hash_code(code) for code in ("abcd-efgh-jkmn-pqrs", "abcdefghjkmnpqrs", " ABCD EFGH JKMN PQRS ")}) == 1
    assert hash_code("abcd-efgh-jkmn-pqrs") != hash_code("abcd-efgh-jkmn-pqrt")
