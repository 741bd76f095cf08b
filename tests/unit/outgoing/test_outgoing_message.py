"""What an outgoing postback says: macros, the JSON body, the signature, the schedule and the templates."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.postback_templates import KINDS, fill_template, postback_templates
from hostile_urls import HOSTILE_TEMPLATES, HOSTILE_URLS
from tracking.clicks import URL_CHARACTERS_MAX
from tracking.outgoing import (
    compile_outgoing,
    conversion_facts,
    parse_retry_after,
    render_body,
    render_url,
    retry_delay_s,
    sample_facts,
)
from tracking.outgoing.deliveries import ATTEMPTS_MAX, DELAYS_S, RETRY_AFTER_MAX_S
from tracking.outgoing.message import OUTGOING_MACROS
from tracking.runtime import FieldError, decode_secret, encode_secret, signature_headers
from tracking.runtime.webhook_signature import SECRET_PREFIX

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("url", [*HOSTILE_URLS, *HOSTILE_TEMPLATES])
def test_a_hostile_url_is_refused_when_it_is_saved(url: str) -> None:
    with pytest.raises(FieldError) as refusal:
        compile_outgoing(url, "url")
    assert refusal.value.field == "url"


# What a visitor sent may make a URL longer than it may be saved.
@pytest.mark.parametrize("url", [url for url in HOSTILE_URLS if len(url) <= URL_CHARACTERS_MAX])
def test_a_hostile_url_is_refused_again_when_it_is_rendered(url: str) -> None:
    with pytest.raises(FieldError):
        render_url((url,), sample_facts(), "d-1")


@pytest.mark.parametrize(
    "host", ["\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u24db\u24de\u24d2alhost", "\u2460\u2461\u2466.1"]
)
def test_a_host_in_letters_that_browsers_take_for_ascii_is_judged_as_what_it_becomes(host: str) -> None:
    with pytest.raises(FieldError) as refusal:
        compile_outgoing(f"https://{host}/", "url")
    assert refusal.value.code == "address-refused"


@given(value=st.text(max_size=60))
def test_no_value_leaves_its_place_in_an_outgoing_url(value: str) -> None:
    facts = conversion_facts({"order_id": value, "click_id": "c"}, {"parameters": {"own": value}})
    parts = compile_outgoing("https://p.example/{order_id}?a={own}&b={click_id}#{order_id}", "url")
    split = urlsplit(render_url(parts, facts, "d-1"))
    assert split.hostname == "p.example"
    assert split.path.count("/") == 1
    assert sorted(parse_qs(split.query, keep_blank_values=True)) == ["a", "b"]


def test_the_cid_of_the_click_is_the_external_id() -> None:
    facts = conversion_facts({}, {"parameters": {"externalid": "second", "cid": "first"}})
    assert facts["external_id"] == "first"


def test_campaign_and_cost_are_found_under_the_names_of_other_trackers() -> None:
    facts = conversion_facts({}, {"parameters": {"utm_campaign": "spring", "bid": "0.02", "gclid": "G1"}})
    parts = compile_outgoing("https://p.example/?c={campaign}&b={cost}&g={gclid}", "url")
    assert render_url(parts, facts, "d-1") == "https://p.example/?c=spring&b=0.02&g=G1"


def test_what_is_stored_of_the_visitor_is_said_and_the_country_of_the_conversion_comes_first() -> None:
    click = {"country": "DE", "region": "Bayern", "city": "M\u00fcnchen", "device": "phone", "language": "de"}
    parts = compile_outgoing("https://p.example/?c={country}&r={region}&t={city}&d={device}&l={language}&o={os}", "url")
    assert render_url(parts, conversion_facts({"country": None}, click), "d-1") == (
        "https://p.example/?c=DE&r=Bayern&t=M%C3%BCnchen&d=phone&l=de&o="
    )
    assert conversion_facts({"country": "AT"}, click)["country"] == "AT"


def test_the_random_number_is_the_same_on_every_attempt_of_a_delivery_and_differs_between_deliveries() -> None:
    parts = compile_outgoing("https://p.example/{random}", "url")
    urls = [render_url(parts, sample_facts(), f"d-{number % 20}") for number in range(40)]
    assert urls[:20] == urls[20:]
    assert len(set(urls)) == 20
    assert all(re.fullmatch(r"https://p\.example/[0-9]{1,10}", url) for url in urls)


def test_the_payout_is_given_with_the_decimals_of_its_currency() -> None:
    amounts = [
        conversion_facts({"payout_minor": 2500, "currency": code}, {})["payout"] for code in ("USD", "JPY", "BHD")
    ]
    assert amounts == ["25.00", "2500", "2.500"]
    assert conversion_facts({"payout_minor": None, "currency": "USD"}, {})["payout"] is None


def test_what_a_click_parameter_says_never_replaces_what_waypost_knows() -> None:
    facts = conversion_facts({"click_id": "genuine"}, {"parameters": {"click_id": "forged", "payout": "999"}})
    url = render_url(compile_outgoing("https://p.example/?c={click_id}&p={payout}", "url"), facts, "d-1")
    assert url == "https://p.example/?c=genuine&p="


def test_every_macro_has_a_value_in_a_test_but_those_that_may_be_absent() -> None:
    facts = sample_facts()
    absent = {name for name in OUTGOING_MACROS if name not in ("delivery_id", "random") and facts[name] is None}
    assert absent == {"previous_status", "country", "cost"}


def test_the_body_names_its_type_and_marks_a_test() -> None:
    body = render_body(sample_facts(), is_test=True)
    assert (body["type"], body["timestamp"], body["test"]) == ("conversion.approved", "2026-01-01T00:00:00Z", True)
    assert body["data"]["click_id"] == "test-click-id"
    assert "ip" not in body["data"]


def test_the_signature_is_that_of_the_published_example() -> None:
    """Source: the example that the libraries of Standard Webhooks are tested with."""
    headers = signature_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_is_a_prefix_and_base64_of_its_key() -> None:
    assert decode_secret(encode_secret(b"k" * 32)) == b"k" * 32
    assert encode_secret(b"k" * 32).startswith(SECRET_PREFIX)
    with pytest.raises(ValueError, match="base64"):
        decode_secret("whsec_not base64!")


@given(tries=st.integers(1, ATTEMPTS_MAX), chance=st.floats(0, 1))
def test_each_delay_is_that_of_the_schedule_give_or_take_a_tenth(tries: int, chance: float) -> None:
    delay_s = retry_delay_s(tries, chance)
    if tries == ATTEMPTS_MAX:
        assert delay_s is None
    else:
        assert delay_s is not None
        assert DELAYS_S[tries - 1] * 0.9 - 0.001 <= delay_s <= DELAYS_S[tries - 1] * 1.1 + 0.001


def test_a_partner_may_ask_for_more_time_but_not_for_less_or_for_ever() -> None:
    assert retry_delay_s(1, 0.5, 60) == 60
    assert retry_delay_s(2, 0.5, 60) == 300
    assert retry_delay_s(1, 0.5, 10**9) == RETRY_AFTER_MAX_S
    assert retry_delay_s(ATTEMPTS_MAX, 0.5, 60) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Fri, 01 May 2026 12:02:00 GMT", 120),
        ("Fri, 01 May 2026 11:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("\u0661", None),
        ("Fri, 99 May 2026 12:00:00 GMT", None),
        ("9" * 400, 999_999_999_999),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_or_not_at_all(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


def test_there_are_templates_for_the_well_known_partners() -> None:
    assert len(postback_templates()) >= 20
    assert {"propellerads", "exoclick", "taboola", "mgid", "voluum", "tune", "cake"} <= set(postback_templates())


@pytest.mark.parametrize("key", postback_templates())
def test_a_template_becomes_a_url_that_can_be_saved_and_gives_back_the_partners_click_id(key: str) -> None:
    template = postback_templates()[key]
    assert template.kind in KINDS
    assert template.name
    assert template.click_id_macro
    assert len(template.source) > 20, "where its facts stand"
    url = fill_template(template, dict.fromkeys(template.account_values, "own-1"))
    assert "<" not in url
    facts = conversion_facts({}, {"parameters": {"cid": "X&1"}})
    assert "=X%261" in render_url(compile_outgoing(url, "url"), facts, "d-1")
    assert set(compile_outgoing(url, "url")[1::2]) <= set(OUTGOING_MACROS)


@pytest.mark.parametrize(
    "values",
    [None, {}, {"aid": "1"}, {"aid": "1", "tid": "2", "x": "3"}, {"aid": 1, "tid": "2"}, {"aid": "", "tid": "2"}],
)
def test_a_template_wants_exactly_what_stands_for_the_account(values: object) -> None:
    with pytest.raises(FieldError) as refusal:
        fill_template(postback_templates()["propellerads"], values)
    assert refusal.value.field == "template_values"


def test_a_value_of_the_account_cannot_change_where_a_template_leads() -> None:
    url = fill_template(postback_templates()["voluum"], {"domain": "evil.example/?"})
    with pytest.raises(FieldError):
        compile_outgoing(url, "url")
