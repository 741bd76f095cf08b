"""Who a postback is from: one test for each way to be believed, and for each way to fail it."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.postbacks.accounts import Account
from edge.postbacks.authentication import SIGNATURE_LIFETIME_S, AuthenticationError, authenticate
from tracking.conversions import REPEATABLE_EVENTS
from tracking.postbacks import AccountRules
from tracking.runtime import encode_secret, signature_headers

NOW = 1_789_000_000
SECRET, NEWER, FOREIGN = (encode_secret(bytes([byte]) * 32) for byte in (1, 2, 3))
BODY = b'{"click_id":"x","event":"ftd"}'
QUERY = "click_id=x&event=ftd"


def account(authentication: str, *networks: str, secrets: tuple[str, ...] = (SECRET,)) -> Account:
    return Account(
        7, AccountRules(7), REPEATABLE_EVENTS, authentication, tuple(map(ip_network, networks)), secrets=secrets
    )


def signed(content: bytes = BODY, secret: str = SECRET, at_s: int = NOW, message_id: str = "msg_1") -> dict[str, Any]:
    """Return a WSGI environment with the headers of a signed request."""
    headers = signature_headers(message_id, at_s, content, [secret])
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()} | {
        "QUERY_STRING": QUERY
    }


def refusal_of(
    env: dict[str, Any], body: bytes = BODY, who: Account | None = None, address: str = "192.0.2.1"
) -> tuple[str, str | None]:
    with pytest.raises(AuthenticationError) as refusal:
        authenticate(who or account("hmac"), env, address, body, NOW)
    return refusal.value.code, refusal.value.field


@pytest.mark.parametrize("mode", ["none", "token"])
def test_an_account_that_asks_for_a_token_alone_asks_for_nothing_more(mode: str) -> None:
    assert authenticate(account(mode), {}, "192.0.2.1", BODY, NOW) is None


def test_a_good_signature_gives_its_id() -> None:
    assert authenticate(account("hmac"), signed(), "192.0.2.1", BODY, NOW) == "msg_1"


def test_a_request_without_a_body_signs_its_query() -> None:
    assert authenticate(account("hmac"), signed(QUERY.encode()), "192.0.2.1", b"", NOW) == "msg_1"
    assert refusal_of(signed(b"click_id=x&event=deposit"), b"") == ("bad-signature", "webhook-signature")


def test_a_body_of_white_space_is_none_so_that_the_query_is_what_must_be_signed() -> None:
    assert authenticate(account("hmac"), signed(QUERY.encode()), "192.0.2.1", b" \r\n", NOW) == "msg_1"
    assert refusal_of(signed(b" \r\n"), b" \r\n") == ("bad-signature", "webhook-signature")


def test_each_of_two_active_secrets_signs_and_one_of_several_signatures_is_enough() -> None:
    both = account("hmac", secrets=(SECRET, NEWER))
    assert authenticate(both, signed(secret=NEWER), "192.0.2.1", BODY, NOW) == "msg_1"
    env = signed()
    env["HTTP_WEBHOOK_SIGNATURE"] = "v1,AAAA v2,x " + env["HTTP_WEBHOOK_SIGNATURE"]
    assert authenticate(both, env, "192.0.2.1", BODY, NOW) == "msg_1"


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of the specification: https://github.com/standard-webhooks/standard-webhooks, signature scheme.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signature = base64.b64encode(hmac.new(key, b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330." + body, sha256).digest())
    assert signature == b"g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    env = {
        "HTTP_WEBHOOK_ID": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "HTTP_WEBHOOK_TIMESTAMP": "1614265330",
        "HTTP_WEBHOOK_SIGNATURE": f"v1,{signature.decode()}",
    }
    who = account("hmac", secrets=("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",))
    assert authenticate(who, env, "192.0.2.1", body, 1614265330) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing_is_named(header: str) -> None:
    env = signed()
    del env[f"HTTP_{header.upper().replace('-', '_')}"]
    assert refusal_of(env) == ("bad-signature", header)


@pytest.mark.parametrize("text", ["", " ", "a b", "a.b", "é", "x" * 201, "a\x00"])
def test_an_id_that_is_none_is_refused(text: str) -> None:
    assert refusal_of(signed() | {"HTTP_WEBHOOK_ID": text}) == ("bad-signature", "webhook-id")


@pytest.mark.parametrize("text", ["", "now", "-1", "1e9", "1.5", "0x10", "9" * 13, "\u0661"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    assert refusal_of(signed() | {"HTTP_WEBHOOK_TIMESTAMP": text}) == ("bad-signature", "webhook-timestamp")


@pytest.mark.parametrize("text", ["", "v1", "v1,", "v1,%%%", "v1,é", "v2,AAAA", "v1=AAAA", "v1,AAAA", ",", "v1," * 100])
def test_a_signature_that_is_none_is_refused(text: str) -> None:
    assert refusal_of(signed() | {"HTTP_WEBHOOK_SIGNATURE": text}) == ("bad-signature", "webhook-signature")


def test_a_signature_by_a_foreign_secret_or_of_other_content_is_refused() -> None:
    bad = ("bad-signature", "webhook-signature")
    assert refusal_of(signed(secret=FOREIGN)) == bad
    assert refusal_of(signed(), BODY + b" ") == bad
    assert refusal_of(signed() | {"HTTP_WEBHOOK_ID": "msg_2"}) == bad
    assert refusal_of(signed() | {"HTTP_WEBHOOK_TIMESTAMP": str(NOW + 1)}) == bad
    assert refusal_of(signed(), who=account("hmac", secrets=())) == bad


@pytest.mark.parametrize("offset_s", [-SIGNATURE_LIFETIME_S - 1, SIGNATURE_LIFETIME_S + 1, -(10**8)])
def test_a_signature_from_another_time_is_stale(offset_s: int) -> None:
    assert refusal_of(signed(at_s=NOW + offset_s)) == ("stale-signature", "webhook-timestamp")


@pytest.mark.parametrize("offset_s", [-SIGNATURE_LIFETIME_S, SIGNATURE_LIFETIME_S])
def test_a_signature_at_the_edge_of_its_time_is_good(offset_s: int) -> None:
    env = signed(at_s=NOW + offset_s)
    assert authenticate(account("hmac"), env, "192.0.2.1", BODY, NOW) == "msg_1"


@pytest.mark.parametrize(
    "address", ["203.0.113.7", "198.51.100.1", "198.51.100.255", "::ffff:198.51.100.1", "2001:db8::1"]
)
def test_an_address_of_the_list_is_let_in(address: str) -> None:
    listed = account("address", "203.0.113.7/32", "198.51.100.0/24", "2001:db8::/32")
    assert authenticate(listed, {}, address, BODY, NOW) is None


@pytest.mark.parametrize("address", ["203.0.113.8", "198.51.101.0", "::1", "2001:db9::1", "", "unknown", "::ffff:0:1"])
@pytest.mark.parametrize("mode", ["none", "token", "hmac", "address"])
def test_an_address_that_is_not_listed_is_refused_in_every_mode(mode: str, address: str) -> None:
    listed = account(mode, "203.0.113.7/32", "198.51.100.0/24", "2001:db8::/32")
    assert refusal_of(signed(), who=listed, address=address) == ("address-not-allowed", None)


@given(
    st.dictionaries(
        st.sampled_from(["HTTP_WEBHOOK_ID", "HTTP_WEBHOOK_TIMESTAMP", "HTTP_WEBHOOK_SIGNATURE"]),
        st.text(st.characters(max_codepoint=255), max_size=60),
    )
)
def test_any_headers_at_all_are_refused_without_another_error(env: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError):
        authenticate(account("hmac"), env, "192.0.2.1", BODY, NOW)


def test_an_account_known_by_its_address_that_has_none_is_nobodys() -> None:
    assert refusal_of({}, who=account("address")) == ("address-not-allowed", None)
