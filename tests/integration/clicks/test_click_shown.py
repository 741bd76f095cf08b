"""The page of one click: a forged id is unknown, and a stored one has everything that was reported about it."""

from __future__ import annotations

import pytest
from falcon.testing import Result

from admin_api.clicks import clicks
from admin_api.runtime import Database
from admin_client import CLICK_ID_KEYS, AdminClient
from documented import assert_as_documented
from tracking.clicks import ClickIdMint, ProcessIdentity
from tracking.conversions import PostbackReason


def mint() -> str:
    return ClickIdMint(CLICK_ID_KEYS, ProcessIdentity(1, 2, 3)).mint()[0]


def store_click(database: Database) -> str:
    """Store a click and return its id."""
    click_id = mint()
    database.execute("create table clicks_all partition of clicks default")
    database.execute(
        "insert into clicks (click_id, clicked_at, link_id, profile_id, config_version, class, method, host, slug,"
        " query, parameters, sub1, ip, user_agent, referrer, accept_language, location, spool_id, spool_number)"
        " values (%s, now(), 1, 2, 3, 'valid', 'GET', 'h', 's', 'a=1', '{\"a\": \"1\"}', 'one', '2001:db8::1',"
        " 'ua', '', '', 'l', '1-0-clicks', 0)",
        [click_id],
    )
    return click_id


def store_conversion(database: Database, click_id: str) -> str:
    """Store a conversion of a click and return its id."""
    conversion = database.execute(
        "insert into conversions (click_id, merchant_id, link_id, event, status, payout_minor, currency, authenticated,"
        " clicked_at, received_at) values (%s, 1, 1, 'deposit', 'approved', 2550, 'USD', true, now(), now())"
        " returning conversion_id",
        [click_id],
    ).fetchone()
    assert conversion is not None
    return str(conversion["conversion_id"])


def store_postbacks(database: Database, click_id: str, conversion_id: str, count: int) -> None:
    """Store postbacks that name a click and a conversion."""
    database.execute(
        "insert into postbacks (postback_id, received_at, route, method, host, query, content_type, body, user_agent,"
        " authenticated, answered, outcome, reason, click_id, conversion_id, spool_id, spool_number)"
        " select gen_random_uuid(), now(), '', '', '', '', '', '', '', false, 200, 'duplicate', 'duplicate', %s, %s,"
        " 's', n from generate_series(1, %s) as n",
        [click_id, conversion_id, count],
    )


def shown(admin: AdminClient, click_id: str) -> Result:
    result = admin.request("GET", f"/v1/clicks/{click_id}")
    assert result.status_code == 200, result.text
    assert_as_documented(admin, "GET /v1/clicks/{click_id}", result)
    return result


def test_a_click_is_shown_with_what_is_known_of_its_visitor(admin: AdminClient, database: Database) -> None:
    click_id = store_click(database)
    known = {
        "country": "SE",
        "region": "Skåne",
        "city": "Lund",
        "asn": 2**32 - 1,
        "isp": "I",
        "connection": "Cellular",
        "device": "phone",
        "os": "iOS",
        "browser": "Mobile Safari",
        "language": "sv",
        "referrer_host": "r.example",
        "campaign": "c",
        "external_id": "e",
        "is_unique": True,
        "rule_id": 12,
        "destination_id": None,
    }
    database.execute(
        f"update clicks set {', '.join(f'{name} = %({name})s' for name in known)}, cost = 0.000000001,"
        """ cuts = '{"sub1": 501}', routing = '[3, [0, -1], 12, null, null, {"city": "Lund"}]'"""
        " where click_id = %(click_id)s",
        {**known, "click_id": click_id},
    )
    click = shown(admin, click_id).json["click"]
    assert {name: click[name] for name in known} == known
    assert (click["cost"], click["cuts"]) == ("0.000000001", {"sub1": 501})
    assert click["routing"] == [3, [0, -1], 12, None, None, {"city": "Lund"}]


def test_a_forged_click_id_is_unknown(admin: AdminClient) -> None:
    another_key = ClickIdMint((b"a key of somebody else",), ProcessIdentity(1, 2, 3)).mint()[0]
    for forged in ("x", "00000000-0000-7000-8000-000000000000", "%00", "'; select 1 --", another_key):
        result = admin.request("GET", f"/v1/clicks/{forged}")
        assert (result.status_code, result.json["code"]) == (404, "unknown-click")


def test_a_genuine_click_id_without_a_row_is_not_stored(admin: AdminClient) -> None:
    result = admin.request("GET", f"/v1/clicks/{mint()}")
    assert (result.status_code, result.json["code"]) == (404, "click-not-stored")


def test_a_click_is_shown_with_its_postbacks_and_conversions(admin: AdminClient, database: Database) -> None:
    click_id = store_click(database)
    conversion_id = store_conversion(database, click_id)
    store_postbacks(database, click_id, conversion_id, 2)
    answer = shown(admin, click_id.upper()).json
    click = answer["click"]
    assert (click["click_id"], click["sub1"], click["sub10"]) == (click_id, "one", None)
    assert (click["parameters"], click["ip"], click["clicked_at"][-1]) == ({"a": "1"}, "2001:db8::1", "Z")
    assert (click["class"], click["spool_id"], click["spool_number"]) == ("valid", "1-0-clicks", 0)
    (conversion,) = answer["conversions"]
    assert (conversion["event"], conversion["status"], conversion["reason"]) == ("deposit", "approved", None)
    assert (conversion["payout"], conversion["payout_minor"]) == (25.5, 2550)
    assert conversion["conversion_id"] == conversion_id
    assert [postback["conversion_id"] for postback in answer["postbacks"]] == [conversion_id] * 2
    assert [postback["payout"] for postback in answer["postbacks"]] == [None, None]
    assert {postback["reason"] for postback in answer["postbacks"]} == {PostbackReason.DUPLICATE}
    assert answer["cut"] == []


def test_a_click_that_very_many_postbacks_name_is_cut_and_says_so(
    admin: AdminClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    click_id = store_click(database)
    conversions = [store_conversion(database, click_id) for _ in range(4)]
    store_postbacks(database, click_id, conversions[0], 4)
    for limit, cut in ((4, []), (3, ["postbacks", "conversions"])):
        monkeypatch.setattr(clicks, "ROWS_MAX", limit)
        answer = shown(admin, click_id).json
        assert (len(answer["postbacks"]), len(answer["conversions"]), answer["cut"]) == (limit, limit, cut)
