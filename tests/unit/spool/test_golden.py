"""Every wire format ever shipped stays readable, and today's is written to the byte as its file says."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from config.configuration import (
    ChangeSet,
    PublishedAccount,
    PublishedEvents,
    PublishedLink,
    PublishedProfile,
    PublishedToken,
    account_key,
    decode_account,
    decode_events,
    decode_link,
    decode_profile,
    decode_token,
    encode_published,
    events_key,
    fetch_changes,
    link_key,
    profile_key,
    token_key,
)
from edge.spool import segments
from tracking.routing import decode_plan, decode_rotation
from tracking.runtime import JobSerializer
from tracking.spool import (
    Batch,
    Click,
    Postback,
    Progress,
    decode_click,
    decode_postback,
    decode_progress,
    encode_click,
    encode_postback,
    encode_progress,
)

GOLDEN = Path(__file__).resolve().parents[2] / "golden"

CLICK = Click(
    click_id="01a05d2b-1d80-7007-8000-4000000c0ffe",
    at_ms=1_789_000_000_000,
    link_id=42,
    profile_id=7,
    config_version=1234,
    method="GET",
    host="track.example.com",
    slug="Spring-26",
    query="sub1=a%0d%0ab&x=\xc3\xa9&y=\xff",
    ip="2001:db8::1",
    user_agent='Mozilla/5.0 (X11; Linux x86_64) "quoted" \\ \x7f',
    referrer="https://caf\xc3\xa9.example/",
    accept_language="de-DE,de;q=0.9",
    purpose="prefetch;prerender",
    location="https://m.example/?c=01a05d2b-1d80-7007-8000-4000000c0ffe&s=a%0D%0Ab",
    sub_defaults=["newsletter", None, "caf\u00e9", None, None, None, None, None, None, None],
)
ROUTED = CLICK._replace(routing=[3, [0, -1], 12, 40, None, {"country": "DE", "returning": False}])
POSTBACK = Postback(
    postback_id="01a05d2b-1d81-7007-8000-4000000c0fff",
    at_ms=1_789_000_000_001,
    route="/postback/{token}",
    method="POST",
    host="track.example.com",
    query="event=ftd",
    content_type="application/json",
    body='{"click_id":"01A05D2B-1D80-7007-8000-4000000C0FFE","payout":25.5,"note":"\xc3\xa9"}',
    ip="192.0.2.1",
    user_agent="merchant-s2s/1.0",
    merchant_id=3,
    authenticated=True,
    answered=200,
    reason=None,
    detail=None,
    fields={
        "click_id": "01a05d2b-1d80-7007-8000-4000000c0ffe",
        "event": "ftd",
        "order_id": "A-1",
        "status": "approved",
        "payout_minor": 2550,
        "currency": "USD",
    },
)
REFUSED = Postback(
    "01a05d2b-1d82-7007-8000-4000000c1000",
    1_789_000_000_002,
    "/v1/postback",
    "POST",
    "track.example.com",
    "",
    "text/plain",
    "\x00\xff not json",
    "192.0.2.1",
    "",
    None,
    False,
    400,
    "bad-body",
    "the body is not JSON",
    None,
)
SIGNED = POSTBACK._replace(
    body='{"click_id":"null","sub9":"DP1X2","payout":"25,50 \u00e2\u0082\u00ac","currency":"EUR"}',
    fields={
        "click_id": "01a05d2b-1d80-7007-8000-4000000c0ffe",
        "event": "vip_level",
        "order_id": None,
        "status": None,
        "payout_minor": 2550,
        "currency": "EUR",
        "corrections": [
            {"field": "payout", "from": "25,50 \u20ac", "to": "25.50", "rule": "amount-read"},
            {"field": "order_id", "from": "{txid}", "to": None, "rule": "junk-removed"},
        ],
    },
    nonce="msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
)
PROFILE = PublishedProfile(
    7, "Caf\u00e9", True, "js", "https://fallback.example/", ["https://pixel.example/p?x=1"], 300
)
LINK = PublishedLink(
    42, True, ["https://m.example/?c=", "click_id", "&s=", "sub1", ""], "DP", ["newsletter", *[None] * 9]
)
TOKEN = PublishedToken(3, "USD")
ACCOUNT = PublishedAccount(
    merchant_id=3,
    currency="EUR",
    authentication="hmac",
    networks=["203.0.113.0/24", "2001:db8::/32"],
    rate_per_minute=600,
    secrets=[
        "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0czE=",
        "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0czI=",
    ],
    mapping={
        "parameter_names": {"click_id": ["our_ref"]},
        "event_words": {"caf\u00e9": "vip_level"},
        "status_words": {"7": "rejected"},
        "default_event": None,
        "decimal_separator": ",",
        "platform": "cellxpert",
    },
)
EVENTS = PublishedEvents(["deposit", "ftd", "vip_level"], ["deposit"])
PROGRESS = Progress(1000, ((1200, 1300), (1500, 1501)))
CREATED_MS = 1_789_000_000_000


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


BATCH = Batch("7-0-3fa9c1d2-clicks", 1000, [golden("click_record_v1.json").decode()] * 2, 3)


def test_click_record_v1() -> None:
    assert decode_click(golden("click_record_v1.json")) == CLICK


@pytest.mark.parametrize(("name", "click"), [("click_record_v2.json", CLICK), ("click_record_v2_routed.json", ROUTED)])
def test_click_record_v2(name: str, click: Click) -> None:
    assert decode_click(golden(name)) == click
    assert encode_click(click) == golden(name)


@pytest.mark.parametrize(
    ("name", "postback"), [("postback_record_v1.json", POSTBACK), ("postback_record_v1_refused.json", REFUSED)]
)
def test_postback_record_v1(name: str, postback: Postback) -> None:
    assert decode_postback(golden(name)) == postback


@pytest.mark.parametrize(
    ("name", "postback"), [("postback_record_v2.json", SIGNED), ("postback_record_v2_refused.json", REFUSED)]
)
def test_postback_record_v2(name: str, postback: Postback) -> None:
    assert decode_postback(golden(name)) == postback
    assert encode_postback(postback) == golden(name)


def test_served_next_hops_v1() -> None:
    hops = [["shop.example", "*.brand.example"], "redirection_url", ["a-secret"]]
    profile = PROFILE._replace(redirect_type="302", pixels=[], next_hops=hops)
    assert decode_profile(golden("served_next_hops_v1.json")) == profile
    assert encode_published(profile) == golden("served_next_hops_v1.json")


def test_served_configuration_v1() -> None:
    served: dict[str, str] = orjson.loads(golden("served_v1.json"))
    texts = list(served.values())
    assert list(served) == [
        profile_key("track.example.com"),
        link_key(7, "Spring-26"),
        link_key(None, "x"),
        token_key("t"),
    ]
    assert decode_profile(texts[0].encode()) == PROFILE
    assert decode_link(texts[1].encode()) == decode_link(texts[2].encode()) == LINK
    assert decode_token(texts[3].encode()) == TOKEN
    assert [encode_published(value).decode() for value in (PROFILE, LINK, LINK, TOKEN)] == texts


def test_served_accounts_and_events_v1() -> None:
    served: dict[str, str] = orjson.loads(golden("served_accounts_v1.json"))
    assert list(served) == [account_key(3), events_key()]
    account, events = (text.encode() for text in served.values())
    assert (decode_account(account), decode_events(events)) == (ACCOUNT, EVENTS)
    assert (encode_published(ACCOUNT), encode_published(EVENTS)) == (account, events)


def test_job_of_a_batch_v1() -> None:
    name, _, args, _ = JobSerializer.loads(golden("job_v1.json"))
    assert name == "worker.clicks.store_batch"
    assert Batch(*args) == BATCH
    assert JobSerializer.dumps([name, None, list(BATCH), {}]) == golden("job_v1.json")


def test_progress_v1() -> None:
    assert decode_progress(golden("progress_v1.json")) == PROGRESS
    assert encode_progress(PROGRESS) == golden("progress_v1.json")


def test_change_set_v1() -> None:
    entry = {name.encode(): text.encode() for name, text in orjson.loads(golden("change_set_v1.json")).items()}

    class Stream:
        """A Redis whose stream holds the golden entry."""

        def xread(self, streams: object, count: int, block: int) -> object:
            return [[b"waypost:config:changes", [(b"1789000000000-0", entry)]]]

    changes = {"l:7:Spring-26": encode_published(LINK), "l:7:old": None}
    assert fetch_changes(Stream(), "0-0", 1) == [ChangeSet("1789000000000-0", "e1", 12, 11, changes)]  # type: ignore[arg-type]


def test_spool_segment_v1() -> None:
    data = golden("spool_segment_v1.seg")
    assert segments.decode_header(data[: segments.HEADER_BYTES]) == 1000
    payloads = [frame.payload for frame in segments.frames(data, segments.HEADER_BYTES, len(data))]
    assert payloads == [golden("click_record_v1.json"), golden("postback_record_v1.json")]
    assert segments.encode_header(1000, CREATED_MS) + b"".join(map(segments.encode_frame, payloads)) == data


def test_plan_v1() -> None:
    plan = decode_plan(orjson.loads(golden("plan_v1.json")), ["newsletter", *[None] * 9])
    assert (plan.revision, plan.cap_ids, plan.prefix, list(plan.countries)) == (3, (51,), "FB", ["FR"])
    assert [(rule.rule_id, rule.is_active, rule.is_sticky, len(rule.tests)) for rule in plan.rules] == [
        (12, True, True, 9),
        (13, False, False, 0),
    ]
    assert [(each.number, each.weight, each.rotation_id, each.cap_ids) for each in plan.rules[0].destinations] == [
        (40, 70, None, (50,)),
        (41, 30, 3, ()),
    ]


def test_rotation_v1() -> None:
    rotation = decode_rotation(orjson.loads(golden("rotation_v1.json")))
    assert (rotation.revision, rotation.is_sticky) == (8, False)
    assert [(each.number, each.weight, each.parts, each.cap_ids) for each in rotation.destinations] == [
        (90, 2, ["https://o.example/", "dyn", ""], (52,)),
        (91, 1, ["https://m.example/91"], ()),
    ]


def test_every_golden_file_is_read_by_a_test() -> None:
    text = Path(__file__).read_text()
    assert [path.name for path in GOLDEN.iterdir() if path.name not in text] == []
