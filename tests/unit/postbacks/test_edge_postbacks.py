"""Both routes of the postback intake, through the real application, mirror and spool, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from config.configuration import (
    PublishedAccount,
    PublishedEvents,
    PublishedLink,
    PublishedToken,
    account_key,
    encode_published,
    events_key,
    link_key,
    profile_key,
    token_key,
)
from edge.postbacks.rate_limits import SAMPLE_SIZE
from edge_client import NO_SUBS, PEER, Edge, link, profile, running_edge, settings_of
from tracking.clicks import encode_dyn
from tracking.conversions import Event
from tracking.runtime import encode_secret, signature_headers

FORM = "application/x-www-form-urlencoded"
SERVED = {
    profile_key("t.example"): profile(1),
    profile_key("off.example"): profile(2, active=False),
    link_key(1, "abc"): link(10, "https://m.example/p?c={click_id}"),
    link_key(1, "dyn"): encode_published(
        PublishedLink(11, True, ["https://m.example/?afp=", "dyn:NL", ""], "newsletter", NO_SUBS)
    ),
    link_key(2, "dyn"): encode_published(
        PublishedLink(12, True, ["https://m.example/?afp=", "dyn:NL", ""], "newsletter", NO_SUBS)
    ),
    # Of an account that a release before this one published: its token, and nothing else.
    token_key("good-token"): encode_published(PublishedToken(merchant_id=7, currency="EUR")),
}


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    with running_edge(settings_of(tmp_path / "home"), SERVED.items()) as running:
        yield running


def click_id_of(edge: Edge) -> str:
    return str(edge.get("/click/abc").headers["x-waypost-click-id"])


def test_a_json_postback_without_token_is_recorded_as_unauthenticated(edge: Edge) -> None:
    click_id = click_id_of(edge)
    body = f'{{"click_id":"{click_id}","event":"ftd","payout":25.5,"currency":"usd","order_id":12,"status":"approved"}}'
    answer = edge.postback("/v1/postback", body, "POST", Content_Type="application/json")
    assert (answer.status_code, answer.json["status"]) == (200, "recorded")
    (postback,) = edge.postbacks
    assert postback.postback_id == answer.json["postback_id"]
    assert (postback.authenticated, postback.merchant_id, postback.answered, postback.reason) == (
        False,
        None,
        200,
        None,
    )
    assert postback.body == body
    assert postback.fields == {
        "click_id": click_id,
        "event": "ftd",
        "order_id": "12",
        "status": "approved",
        "payout_minor": 2550,
        "currency": "USD",
        "corrections": [],
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_token_route_takes_get_and_post_alike_in_the_accounts_currency(edge: Edge, method: str) -> None:
    click_id = click_id_of(edge)
    answer = edge.postback(f"/postback/good-token?click_id={click_id.upper()}&event=FTD&payout=25", method=method)
    assert answer.status_code == 200
    (postback,) = edge.postbacks
    assert (postback.authenticated, postback.merchant_id) == (True, 7)
    assert postback.fields is not None
    assert (postback.fields["click_id"], postback.fields["payout_minor"], postback.fields["currency"]) == (
        click_id,
        2500,
        "EUR",
    )
    assert "good-token" not in postback.route


def said_by(edge: Edge, way: str, currency: str) -> Any:
    """Report 25 in a currency: in a query, a form or JSON, with the account's token or without."""
    values = {"click_id": click_id_of(edge), "event": "ftd", "payout": "25", "currency": currency}
    if way == "json":
        return edge.postback("/v1/postback", orjson.dumps(values), "POST", Content_Type="application/json")
    if way == "form":
        return edge.postback("/postback/good-token", urlencode(values), "POST", Content_Type=FORM)
    return edge.postback(f"/postback/good-token?{urlencode(values)}")


@pytest.mark.parametrize("way", ["query", "form", "json"])
@pytest.mark.parametrize("currency", ["ZZZ", "zzz", "DEM", "BGN", "XTS", "XXX", "XAU"])
def test_a_currency_that_iso_4217_does_not_have_is_400_with_its_code_named(edge: Edge, way: str, currency: str) -> None:
    answer = said_by(edge, way, currency)
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (400, "bad-field", "currency")
    assert f"currency {currency.upper()} is not a currency of ISO 4217 in use" in answer.json["detail"]
    (postback,) = edge.postbacks
    assert (postback.answered, postback.reason, postback.fields) == (400, "bad-field", None)


@pytest.mark.parametrize("way", ["query", "form", "json"])
def test_a_currency_by_its_number_is_400(edge: Edge, way: str) -> None:
    answer = said_by(edge, way, "840")
    assert (answer.status_code, answer.json["field"]) == (400, "currency")
    assert answer.json["detail"] == "currency must be a three-letter ISO 4217 code such as USD, not '840'"


@pytest.mark.parametrize("way", ["query", "form", "json"])
@pytest.mark.parametrize(("currency", "minor"), [("usd", 2500), ("JPY", 25), ("kwd", 25_000), ("CLF", 250_000)])
def test_an_amount_is_counted_in_the_minor_units_of_its_currency(
    edge: Edge, way: str, currency: str, minor: int
) -> None:
    assert said_by(edge, way, currency).status_code == 200
    (postback,) = edge.postbacks
    assert postback.fields is not None
    assert (postback.fields["payout_minor"], postback.fields["currency"]) == (minor, currency.upper())


def test_form_bodies_other_trackers_names_and_tokens_in_headers_are_accepted(edge: Edge) -> None:
    click_id = click_id_of(edge)
    assert (
        edge.postback("/post-back/good-token", f"cid={click_id}&goal=reg&txid=9", "POST", Content_Type=FORM).status_code
        == 200
    )
    body = f'{{"clickId":"{click_id}","event":"deposit"}}'
    for header in ({"Authorization": "Bearer good-token"}, {"X_Postback_Token": "good-token"}):
        assert edge.postback("/v1/postback", body, "POST", Content_Type="application/json", **header).status_code == 200
    assert [postback.authenticated for postback in edge.postbacks] == [True] * 3
    fields = edge.postbacks[0].fields
    assert fields is not None
    assert (fields["event"], fields["order_id"]) == ("registration", "9")


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ("event=ftd", 400, "bad-field", "click_id"),
        ("click_id={id}", 400, "bad-field", "event"),
        ("click_id={id}&event=party", 400, "bad-field", "event"),
        ("click_id={id}&event=ftd&payout=1,234", 400, "bad-field", "payout"),
        ("click_id={id}&event=ftd&payout=-5", 400, "bad-field", "payout"),
        ("click_id={id}&event=ftd&payout=1e3", 400, "bad-field", "payout"),
        ("click_id={id}&event=ftd&payout=1.005", 400, "bad-field", "payout"),
        ("click_id={id}&event=ftd&payout=5&currency=dollars", 400, "bad-field", "currency"),
        ("click_id={id}&event=ftd&status=maybe", 400, "bad-field", "status"),
        ("click_id={id}&event=ftd&order_id=" + "9" * 201, 400, "bad-field", "order_id"),
        ("click_id={id}&event=ftd&order_id=a%00b", 400, "bad-field", "order_id"),
        ("click_id=p202&event=ftd", 404, "unknown-click", "click_id"),
        ("click_id=01a2024d-d684-7375-8000-040000278b1b&event=ftd", 404, "unknown-click", "click_id"),
        ("click_id={click_id}&event=ftd", 404, "unknown-click", "click_id"),
    ],
)
def test_a_refused_postback_names_the_field_and_is_stored_raw(
    edge: Edge, query: str, status: int, code: str, field: str
) -> None:
    query = query.replace("{id}", click_id_of(edge))
    answer = edge.postback(f"/postback/good-token?{query}")
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (status, code, field)
    (postback,) = edge.postbacks
    assert (postback.answered, postback.reason, postback.query) == (status, code, query)


def test_a_wrong_token_is_401_and_a_broken_body_400_and_both_are_stored(edge: Edge) -> None:
    click_id = click_id_of(edge)
    assert edge.postback(f"/postback/wrong?click_id={click_id}&event=ftd").status_code == 401
    assert edge.postback("/v1/postback", "{", "POST", Content_Type="application/json").json["code"] == "bad-body"
    assert edge.postback("/v1/postback", "[1]", "POST", Content_Type="application/json").json["code"] == "bad-body"
    assert edge.postback("/v1/postback", "x", "POST", Content_Type="text/csv").json["code"] == "bad-body"
    assert edge.postback("/v1/postback", "{}" * 40_000, "POST", Content_Type="application/json").status_code == 413
    assert [postback.reason for postback in edge.postbacks] == [
        "bad-token",
        "bad-body",
        "bad-body",
        "bad-body",
        "too-large",
    ]


def test_a_postback_that_cannot_be_stored_is_503_never_200(edge: Edge) -> None:
    click_id = click_id_of(edge)
    edge.recorder._postbacks.full = True
    answer = edge.postback(f"/postback/good-token?click_id={click_id}&event=ftd")
    assert (answer.status_code, answer.json["code"]) == (503, "postback-not-logged")
    assert answer.headers["retry-after"] == "5"


def account_of(merchant_id: int, authentication: str, **fields: Any) -> dict[str, bytes]:
    """Return what is served of an account with the token `token-{merchant_id}`; `fields` replace PublishedAccount's."""
    values: dict[str, Any] = {"networks": [], "rate_per_minute": None, "secrets": [], "mapping": {}} | fields
    return {
        token_key(f"token-{merchant_id}"): encode_published(PublishedToken(merchant_id, "EUR")),
        account_key(merchant_id): encode_published(PublishedAccount(merchant_id, "EUR", authentication, **values)),
    }


SECRET = encode_secret(b"s" * 32)
ACCOUNTS = SERVED | {
    events_key(): encode_published(
        PublishedEvents([*Event, "vip_level", "spin"], ["deposit", "revenue_share", "spin"])
    ),
    **account_of(1, "none"),
    **account_of(2, "token"),
    **account_of(3, "hmac", secrets=[SECRET]),
    **account_of(4, "address", networks=[f"{PEER}/32"]),
    **account_of(5, "address", networks=["203.0.113.0/24"]),
    **account_of(6, "token", rate_per_minute=2),
    **account_of(
        8,
        "token",
        mapping={
            "parameter_names": {"click_id": ["ref"], "order_id": ["transaction_id"]},
            "event_words": {"level_up": "vip_level"},
            "status_words": {"ok": "approved"},
            "decimal_separator": ",",
        },
    ),
}


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Edge]:
    settings = settings_of(tmp_path / "home", POSTBACK_RATE_PER_MINUTE="40")
    with running_edge(settings, ACCOUNTS.items()) as running:
        yield running


def signed(query: str, body: str = "", at_s: float | None = None, message_id: str = "msg_1") -> dict[str, str]:
    """Return the headers of a signed request, by their names with underscores."""
    made = signature_headers(message_id, int(time() if at_s is None else at_s), (body or query).encode(), [SECRET])
    return {name.replace("-", "_"): value for name, value in made.items()}


@pytest.mark.parametrize(("merchant_id", "authenticated"), [(1, True), (2, True), (4, True)])
def test_a_token_in_the_url_authenticates_in_modes_none_token_and_address(
    accounts: Edge, merchant_id: int, authenticated: bool
) -> None:
    click_id = click_id_of(accounts)
    assert accounts.postback(f"/postback/token-{merchant_id}?click_id={click_id}&event=ftd").status_code == 200
    (postback,) = accounts.postbacks
    assert (postback.merchant_id, postback.authenticated, postback.nonce) == (merchant_id, authenticated, None)


@pytest.mark.parametrize("path", ["/v1/postback?", "/v1/postback?token=token-2&"])
def test_both_routes_take_get_and_post_and_only_a_token_authenticates(accounts: Edge, path: str) -> None:
    click_id = click_id_of(accounts)
    for method, order_id in (("GET", "1"), ("POST", "2")):
        answer = accounts.postback(f"{path}click_id={click_id}&event=ftd&order_id={order_id}", method=method)
        assert answer.status_code == 200
    assert [postback.authenticated for postback in accounts.postbacks] == ["token=" in path] * 2
    # The token is no part of what is kept.
    assert [postback.query for postback in accounts.postbacks] == [
        f"click_id={click_id}&event=ftd&order_id={number}" for number in (1, 2)
    ]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_signed_postback_is_recorded_with_its_nonce_and_its_replay_is_refused(accounts: Edge, method: str) -> None:
    query = f"click_id={click_id_of(accounts)}&event=deposit&payout=5"
    path, body = ("/postback/token-3?" + query, "") if method == "GET" else ("/postback/token-3", query)
    headers = signed(query) | ({"Content_Type": FORM} if body else {})
    assert accounts.postback(path, body, method, **headers).status_code == 200
    replayed = accounts.postback(path, body, method, **headers)
    assert (replayed.status_code, replayed.json["code"], replayed.json["field"]) == (409, "replayed", "webhook-id")
    assert [(each.answered, each.reason, each.nonce, each.authenticated) for each in accounts.postbacks] == [
        (200, None, "msg_1", True),
        (409, "replayed", "msg_1", True),
    ]
    assert accounts.postbacks[1].fields == accounts.postbacks[0].fields


def test_a_signed_body_is_all_that_is_read_of_a_request(accounts: Edge) -> None:
    body = f'{{"click_id":"{click_id_of(accounts)}","event":"ftd"}}'
    answer = accounts.postback(
        "/postback/token-3?payout=999&order_id=forged",
        body,
        "POST",
        Content_Type="application/json",
        **signed("", body),
    )
    assert answer.status_code == 200
    fields = accounts.postbacks[0].fields
    assert fields is not None
    assert (fields["payout_minor"], fields["order_id"]) == (None, None)


@pytest.mark.parametrize(
    ("headers", "reason", "field"),
    [
        ({}, "bad-signature", "webhook-id"),
        ({"webhook_signature": "v1,AAAA"}, "bad-signature", "webhook-signature"),
        ({"webhook_id": "msg_2"}, "bad-signature", "webhook-signature"),
        ({"at_s": -301}, "stale-signature", "webhook-timestamp"),
        ({"at_s": 301}, "stale-signature", "webhook-timestamp"),
    ],
)
def test_a_postback_that_is_not_signed_as_it_should_be_is_401_and_stored(
    accounts: Edge, headers: dict[str, Any], reason: str, field: str
) -> None:
    query = f"click_id={click_id_of(accounts)}&event=ftd"
    offset_s = headers.pop("at_s", 0)
    sent = signed(query, at_s=time() + offset_s + (offset_s > 0)) | headers if headers or offset_s else {}
    answer = accounts.postback(f"/postback/token-3?{query}", **sent)
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (401, reason, field)
    assert answer.json["detail"]
    (postback,) = accounts.postbacks
    assert (postback.reason, postback.authenticated, postback.nonce, postback.merchant_id, postback.fields) == (
        reason,
        False,
        None,
        3,
        None,
    )


def test_a_refused_signed_postback_may_be_mended_under_the_same_id(accounts: Edge) -> None:
    click_id = click_id_of(accounts)
    wrong, right = f"click_id={click_id}&event=party", f"click_id={click_id}&event=ftd"
    assert accounts.postback(f"/postback/token-3?{wrong}", **signed(wrong)).status_code == 400
    assert accounts.postback(f"/postback/token-3?{right}", **signed(right)).status_code == 200


def test_a_signed_postback_that_could_not_be_stored_may_be_sent_again(accounts: Edge) -> None:
    query = f"click_id={click_id_of(accounts)}&event=ftd"
    accounts.recorder._postbacks.full = True
    assert accounts.postback(f"/postback/token-3?{query}", **signed(query)).status_code == 503
    accounts.recorder._postbacks.full = False
    assert accounts.postback(f"/postback/token-3?{query}", **signed(query)).status_code == 200


def test_an_address_that_is_not_listed_is_403_and_stored(accounts: Edge) -> None:
    answer = accounts.postback(f"/postback/token-5?click_id={click_id_of(accounts)}&event=ftd")
    assert (answer.status_code, answer.json["code"]) == (403, "address-not-allowed")
    assert PEER in answer.json["detail"]
    (postback,) = accounts.postbacks
    assert (postback.reason, postback.authenticated) == ("address-not-allowed", False)


def test_a_forwarded_address_counts_only_behind_a_trusted_proxy(tmp_path: Path) -> None:
    for proxies, status in (("0", 403), ("1", 200)):
        settings = settings_of(tmp_path / proxies, TRUSTED_PROXIES=proxies)
        with running_edge(settings, ACCOUNTS.items()) as edge:
            path = f"/postback/token-5?click_id={click_id_of(edge)}&event=ftd"
            assert edge.postback(path, X_Forwarded_For="203.0.113.9").status_code == status


def test_an_account_over_its_limit_is_429_told_when_to_go_on_and_others_are_not(accounts: Edge) -> None:
    path = f"/postback/token-6?click_id={click_id_of(accounts)}&event=deposit&order_id="
    first, second, third = (accounts.postback(f"{path}{number}") for number in range(3))
    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
    assert first.headers["ratelimit-policy"] == '"postbacks";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"postbacks";r=1;t=')
    assert second.headers["ratelimit"].startswith('"postbacks";r=0;t=')
    assert (third.json["code"], third.headers["content-type"]) == ("rate-limited", "application/problem+json")
    assert 0 < int(third.headers["retry-after"]) <= 60
    assert third.headers["ratelimit"] == f'"postbacks";r=0;t={third.headers["retry-after"]}'
    assert "retry-after" not in second.headers
    assert accounts.postback(path.replace("token-6", "token-2")).status_code == 200
    assert [postback.reason for postback in accounts.postbacks] == [None, None, "rate-limited", None]


def test_of_a_flood_a_sample_is_stored_and_the_rest_counted(accounts: Edge) -> None:
    path = f"/postback/token-6?click_id={click_id_of(accounts)}&event=ftd"
    assert [accounts.postback(path).status_code for _ in range(50)] == [200] * 2 + [429] * 48
    assert len(accounts.postbacks) == 2 + SAMPLE_SIZE
    metrics = accounts.get("/metrics").text
    assert f'waypost_edge_answers_total{{outcome="postback-rate-limited"}} {SAMPLE_SIZE}.0' in metrics
    assert f'outcome="postback-rate-limited-not-stored"}} {48 - SAMPLE_SIZE}.0' in metrics


def test_whoever_only_claims_to_be_an_account_does_not_use_up_its_limit(accounts: Edge) -> None:
    query = f"click_id={click_id_of(accounts)}&event=ftd"
    answers = [accounts.postback(f"/postback/token-3?{query}").status_code for _ in range(42)]
    assert answers == [401] * 40 + [429] * 2
    assert accounts.postback(f"/postback/token-3?{query}", **signed(query)).status_code == 200
    # A wrong token and none at all are of the same address.
    assert accounts.postback(f"/postback/wrong?{query}").status_code == 429
    assert accounts.postback(f"/v1/postback?{query}").status_code == 429


def test_an_accounts_mapping_is_applied_and_an_own_event_type_accepted(accounts: Edge) -> None:
    click_id = click_id_of(accounts)
    query = f"ref={click_id}&transaction_id=T9&event=LEVEL_UP&payout=1.234,5&status=OK"
    assert accounts.postback(f"/postback/token-8?{query}").status_code == 200
    fields = accounts.postbacks[0].fields
    assert fields == {
        "click_id": click_id,
        "event": "vip_level",
        "order_id": "T9",
        "status": "approved",
        "payout_minor": 123450,
        "currency": "EUR",
        "corrections": [],
    }
    assert accounts.postback(f"/v1/postback?click_id={click_id}&event=spin").status_code == 200
    refused = accounts.postback(f"/v1/postback?click_id={click_id}&event=level_up")
    assert refused.status_code == 400
    assert refused.json["detail"].endswith(
        "send one of conversion, deposit, ftd, qualified, registration, revenue_share, spin, vip_level"
    )


def test_the_dynamic_variable_goes_out_in_a_destination_and_comes_back_in_a_postback(accounts: Edge) -> None:
    answer = accounts.get("/click/dyn")
    click_id = answer.headers["x-waypost-click-id"]
    dyn = answer.headers["location"].removeprefix("https://m.example/?afp=")
    assert dyn == encode_dyn("NL", click_id)
    for query in (f"dyn={dyn}&signups=1", f"click_id={dyn.lower()}&event=ftd", f"clickId={click_id}&ftd=1"):
        assert accounts.postback(f"/v1/postback?{query}").status_code == 200
    assert [postback.fields and postback.fields["click_id"] for postback in accounts.postbacks] == [click_id] * 3
    assert accounts.get("/click/dyn", host="off.example").headers["location"] == "https://m.example/?afp="


def test_corrections_are_recorded_with_the_postback(accounts: Edge) -> None:
    click_id = click_id_of(accounts)
    path = f"/postback/token-2?click_id=null&sub1={click_id}&event=ftd&payout=$25&currency=USD&order_id={{oid}}"
    assert accounts.postback(path).status_code == 200
    fields = accounts.postbacks[0].fields
    assert fields is not None
    assert fields["corrections"] == [
        {"field": "click_id", "from": f"sub1={click_id}", "to": click_id, "rule": "click-in-another-parameter"},
        {"field": "order_id", "from": "{oid}", "to": None, "rule": "junk-removed"},
        {"field": "payout", "from": "$25", "to": "25.00", "rule": "amount-read"},
    ]


def test_two_candidate_clicks_are_400_and_stored(accounts: Edge) -> None:
    answer = accounts.postback(f"/v1/postback?click_id={click_id_of(accounts)}&subid={click_id_of(accounts)}&event=ftd")
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (400, "ambiguous-click", "click_id")
    assert [postback.reason for postback in accounts.postbacks] == ["ambiguous-click"]


HOSTILE_VALUES = [
    "",
    "%00",
    "%0d%0aSet-Cookie:%20x",
    "%ff%fe",
    "\xff",
    "%",
    "%zz",
    "1e400",
    "-1e400",
    "NaN",
    "9" * 400,
    "0" * 70_000,
    "%F0%9F%98%80",
    "%E2%80%AE",
    "{click_id}",
    "{" * 3000,
    "[" * 3000,
    "'; drop table postbacks; --",
    "../../etc/passwd",
    "DP" + "Z" * 24,
    "ZZZZ" + "0" * 24,
]
NAMES = ["click_id", "dyn", "event", "signups", "payout", "currency", "order_id", "status", "token", "x%00", ""]


@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=range(len(HOSTILE_VALUES)))
def test_a_hostile_parameter_never_gives_a_server_error(edge: Edge, value: str) -> None:
    click_id = click_id_of(edge)
    for number, name in enumerate(NAMES):
        sent = {"click_id": click_id, "event": "ftd"} | {name: value}
        query = "&".join(f"{key}={text}" for key, text in sent.items())
        forms = (
            (f"/v1/postback?{query}", b"", "GET", ""),
            (f"/postback/good-token?{query}", b"", "POST", ""),
            ("/v1/postback", query.encode("latin-1"), "POST", FORM),
            ("/postback/good-token", orjson.dumps(sent), "POST", "application/json"),
        )
        # Each name in every form over the values, and each value in every form over the names.
        path, body, method, kind = forms[(number + HOSTILE_VALUES.index(value)) % len(forms)]
        answer = edge.postback(path, body, method, Content_Type=kind)
        assert answer.status_code < 500, answer.text
    assert len(edge.postbacks) == len(NAMES)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"payout":1e400}'),
        ("application/json", b'{"payout":' + b"9" * 5000 + b"}"),
        ("application/json", b'{"payout":1e-99999999}'),
        ("application/json", b'{"order_id":{"a":[{"b":{}}]}}'),
        ("application/json", b'{"event":["ftd"],"click_id":{"$ne":1}}'),
        ("application/json", b"[" * 60_000),
        ("application/json", b'{"a":' * 10_000),
        ("application/json", b"\xff\xfe"),
        ("application/json", "é".encode("utf-16")),
        ("application/json", b'{"order_id":"\\u0000\\ud800"}'),
        ("application/json", b'{"event":"ftd","event":"deposit"}'),
        ("application/json", b'{"' + b"x" * 60_000 + b'":1}'),
        ("application/json", b"{}" * 600_000),
        (FORM, b"payout=" + b"9" * 1_000_000),
        (FORM, b"&".join(b"p%d=%d" % (n, n) for n in range(10_000))),
        (FORM, b"click_id=a&" * 5000),
        (FORM, bytes(range(256)) * 50),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--'),
        ("", b"\x00" * 100),
        ("\xff" * 300, b"{}"),
    ],
    ids=range(20),
)
def test_a_hostile_body_never_gives_a_server_error_and_is_stored(edge: Edge, kind: str, body: bytes) -> None:
    for path in ("/v1/postback", "/postback/good-token"):
        answer = edge.postback(path, body, "POST", Content_Type=kind)
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["detail"]
    assert len(edge.postbacks) == 2


def test_ten_thousand_parameters_and_a_megabyte_of_query_are_read_or_refused(edge: Edge) -> None:
    click_id = click_id_of(edge)
    many = "&".join(f"p{n}={n}" for n in range(10_000))
    assert edge.postback(f"/v1/postback?click_id={click_id}&event=ftd&{many}").status_code == 200
    assert edge.postback(f"/v1/postback?{many}&click_id={click_id}&event=ftd").status_code == 400
    assert edge.postback(f"/v1/postback?click_id={click_id}&event=ftd&order_id={'9' * 2**20}").status_code == 400
    assert edge.postback(f"/v1/postback?event={'e' * 2**20}&click_id={click_id}").status_code == 400


def test_the_largest_request_that_the_edge_takes_fits_into_a_record_and_holds_up_none(tmp_path: Path) -> None:
    """Each byte of a body may take six in its record, and again in a correction or in what is said of it."""
    largest = 2**17
    with running_edge(settings_of(tmp_path / "home", POSTBACK_BODY_BYTES=str(largest)), SERVED.items()) as edge:
        click_id, other_id = click_id_of(edge), click_id_of(edge)
        headers = {"Content_Type": FORM, "User_Agent": '"' * 100_000, "Host": "h" * 100_000}
        query = "q=" + '"' * 100_000
        begin = f"click_id={click_id}&event=ftd&order_id={{"
        junk = begin + "\x01" * (largest - len(begin) - 1) + "}"
        assert edge.postback(f"/v1/postback?{query}", junk, "POST", **headers).status_code == 200
        begin, end = f"click_id={click_id}&event=ftd&", f"={other_id}"
        named = begin + "\x01" * (largest - len(begin) - len(end)) + end
        refused = edge.postback(f"/v1/postback?{query}", named, "POST", **headers)
        assert (refused.status_code, refused.json["code"]) == (400, "ambiguous-click")
        assert edge.postback(f"/v1/postback?click_id={click_id}&event=deposit").status_code == 200
        assert [postback.body for postback in edge.postbacks] == [junk, named, ""]
        assert [postback.answered for postback in edge.postbacks] == [200, 400, 200]
